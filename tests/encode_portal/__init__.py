"""A portal of our own on loopback that behaves as that of ENCODE does, for tests and for trying things by hand."""

from .catalogue import Catalogue, Object
from .faults import Fault, RandomFaults
from .server import Portal, deaf_address, running_portal

__all__ = ["Catalogue", "Fault", "Object", "Portal", "RandomFaults", "deaf_address", "running_portal"]
