"""A file of the portal: what it holds, where it can be had, and how to know that it is the right one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from atac2rna.errors import InputError
from atac2rna.sources.encode.accession import checked_accession, link_name, linked_accession
from atac2rna.sources.encode.hit import Hit
from atac2rna.sources.wanted import is_md5

FIELDS = (
    "accession",
    "dataset",
    "status",
    "file_format",
    "file_type",
    "output_type",
    "assembly",
    "genome_annotation",
    "preferred_default",
    "file_size",
    "md5sum",
    "href",
    "cloud_metadata.url",
    "biological_replicates",
    "analyses.@id",
    "analyses.title",
    "analyses.status",
    "no_file_available",
    "restricted",
    "filter_type",
    "filter_value",
    "date_created",
)
"""What is asked of the portal of each file."""

QUANTIFICATIONS = "gene quantifications"
"""Output type of expression tables."""

DISCOVERY_RATE = "false discovery rate percentage"
"""What the portal calls the kind of threshold that peaks have; files of other kinds have other ones."""

_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,10}){1,2}")


class Analysis(NamedTuple):
    """An analysis that a file belongs to: one run of a pipeline over an experiment.

    Attributes:
        name: Its accession, as a link of the portal has it; its title where there is no link; empty if neither.
        title: `ENCODE4 v1.2.1 GRCh38 V29`; empty if not told.
        status: `released`, `archived`, ...; empty if not told.
    """

    name: str
    title: str
    status: str


@dataclass(frozen=True)
class DataFile:
    """A file of an experiment.

    Attributes:
        accession: `ENCFF...`.
        experiment: Accession of the experiment that it belongs to.
        status: `released`, `archived`, `revoked`, ...
        output_type: `pseudoreplicated peaks`, `gene quantifications`, ...
        assembly: As the portal spells it (`GRCh38`).
        genome_annotation: `V29`; empty for files without.
        preferred: The portal's default file of its experiment.
        size: Bytes as stored.
        md5: Of the bytes as stored, lower case.
        urls: Where it can be had: the public storage address if there is one, then the portal's own.
        replicates: Numbers of the biological replicates that it was made of.
        analyses: Analyses that it belongs to.
        suffix: `.bed.gz`, `.tsv`.
        withheld: Restricted, or not available.
        discovery_rate: False discovery rate of its peaks, percent; None if the portal tells none.
        created: Date of its object, ISO; empty if unknown.
    """

    accession: str
    experiment: str
    status: str
    output_type: str
    assembly: str
    genome_annotation: str
    preferred: bool
    size: int
    md5: str
    urls: tuple[str, ...]
    replicates: tuple[int, ...]
    analyses: tuple[Analysis, ...]
    suffix: str
    withheld: bool
    discovery_rate: float | None
    created: str

    @property
    def name(self) -> str:
        """Name on the disk: accession and suffix."""
        return self.accession + self.suffix


def read_file(hit: Hit, *, portal: str) -> DataFile:
    """Read a file out of a hit that has `FIELDS`.

    Args:
        hit: The hit.
        portal: Address of the portal, for links without a host.

    Raises:
        InputError: If a field is not what the portal's schema says; the message names it and the accession.
    """
    where = f"{hit.source}: {hit.name}"
    accession = checked_accession(hit.text("accession"), "file", where=where)
    withheld = hit.flag("restricted") or hit.flag("no_file_available")
    md5 = hit.text("md5sum", "" if withheld else None)
    if md5 and not is_md5(md5.lower()):
        raise hit.fault("md5sum", "32 hexadecimal digits", md5)
    sizes = hit.wholes("file_size")
    if len(sizes) != 1 and not withheld:
        raise hit.fault("file_size", "one whole number", sizes or None)
    href = hit.text("href", "" if withheld else None)
    return DataFile(
        accession=accession,
        experiment=linked_accession(hit.text("dataset"), "experiment", where=f"{where}, field dataset"),
        status=hit.text("status"),
        output_type=hit.text("output_type"),
        assembly=hit.text("assembly", ""),
        genome_annotation=hit.text("genome_annotation", ""),
        preferred=hit.flag("preferred_default"),
        size=sizes[0] if sizes else 0,
        md5=md5.lower(),
        urls=(*hit.texts("cloud_metadata.url"), *_whole_address(hit, href, portal)),
        replicates=hit.wholes("biological_replicates"),
        analyses=tuple(_analyses(hit)),
        suffix=_suffix(hit, href, accession),
        withheld=withheld,
        discovery_rate=_discovery_rate(hit),
        created=hit.text("date_created", ""),
    )


def _analyses(hit: Hit) -> Iterator[Analysis]:
    """Read the analyses, which the portal shows as objects or as links."""
    for value in hit.values("analyses"):
        one = Hit(value if isinstance(value, Mapping) else {"@id": value}, source=hit.source)
        try:
            link, title, status = (one.text(field, "") for field in ("@id", "title", "status"))
        except InputError:
            raise hit.fault("analyses", "links, or objects with texts", value) from None
        yield Analysis(link_name(link) or title, title, status)


def _discovery_rate(hit: Hit) -> float | None:
    if DISCOVERY_RATE not in hit.texts("filter_type"):
        return None
    found = hit.values("filter_value")
    if (
        len(found) != 1
        or not isinstance(found[0], int | float)
        or isinstance(found[0], bool)
        or not 0 <= found[0] <= 100
    ):
        raise hit.fault("filter_value", "one number of percent", found or None)
    return float(found[0])


def _whole_address(hit: Hit, href: str, portal: str) -> tuple[str, ...]:
    try:
        return (urljoin(portal, href),) if href else ()
    except ValueError:
        raise hit.fault("href", "an address", href) from None


def _suffix(hit: Hit, href: str, accession: str) -> str:
    """Give the suffix of the stored file's name, which is the accession and a suffix."""
    if not href:
        return ""
    try:
        name = PurePosixPath(unquote(urlsplit(href).path)).name
    except ValueError:
        raise hit.fault("href", "an address", href) from None
    suffix = name.removeprefix(accession)
    if suffix == name or not _SUFFIX.fullmatch(suffix):
        raise hit.fault("href", f"an address that ends in {accession} and a suffix", href)
    return suffix
