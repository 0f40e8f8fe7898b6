"""A search of the made-up portal, by what its tests differ in."""

from atac2rna.sources.connection import Connection, Patience
from atac2rna.sources.encode.criteria import RNA_ASSAYS, Criteria
from atac2rna.sources.encode.pairing import PairLevel
from atac2rna.sources.encode.portal import Portal as Asked
from atac2rna.sources.encode.search import Found, search
from encode_portal import Portal

HASTE = Patience(attempts=3, backoff=0.01, longest=0.2, connect=2, read=2)


def found(portal: Portal, *, least: PairLevel = "same-term", **criteria: object) -> Found:
    """Search for pairs of ATAC-seq and either RNA assay, unless `criteria` say otherwise."""
    with Connection(portal=portal.url, patience=HASTE, per_second=1000) as connection:
        return search(Asked(connection), Criteria(**{"rna": RNA_ASSAYS, **criteria}), least=least)
