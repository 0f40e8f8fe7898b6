"""One gene of an annotation file, whatever the dialect, with the line that it came from."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from atac2rna.errors import InputError
from atac2rna.genome import canonical_chrom, strip_version

_STRANDS = {"+": "+", "1": "+", "+1": "+", "-": "-", "-1": "-", ".": "", "?": "", "": "", "0": ""}


class GeneRow(NamedTuple):
    """A gene as read, converted to the package's conventions.

    Attributes:
        line: 1-based line of the file, for errors.
        gene_id: Id without version.
        version: Version of the id (`14`), empty where unknown.
        name: Symbol, empty where unknown.
        chrom: Canonical chromosome name.
        start: First base, 0-based.
        end: One past the last base.
        strand: `+`, `-`, or empty where the file does not tell.
        biotype: As the file spells it, empty where unknown.
        secondary: True for what the file itself marks as a further copy of the gene (`_PAR_Y`, RefSeq's `ASMTL_1`).
    """

    line: int
    gene_id: str
    version: str
    name: str
    chrom: str
    start: int
    end: int
    strand: str
    biotype: str
    secondary: bool


def gene_row(path: Path, line: int, fields: Mapping[str, str], *, secondary: bool = False) -> GeneRow:
    """Check one gene's fields and convert them.

    Args:
        path: The file, for errors.
        line: 1-based line, for errors.
        fields: Text of `gene_id`, `chrom`, `start` and `end` (1-based, inclusive), `strand`, and where the file has
            them `name`, `biotype`, `version`. A version inside `gene_id` wins over `version`.
        secondary: The file marks the row as a further copy.

    Raises:
        InputError: If a coordinate is not a whole number of at least 1, the end lies before the start, or the strand
            is none of +, -, 1, -1 and `.`.
    """
    start, end = (_position(path, line, fields, key) for key in ("start", "end"))
    if end < start:
        raise InputError(f"{path} line {line}: the end of a gene is not before its start; got {start} to {end}.")
    if fields["strand"] not in _STRANDS:
        raise InputError(f"{path} line {line}: a strand is +, -, 1, -1 or '.'; got {fields['strand']!r}.")
    written = fields["gene_id"]
    return GeneRow(
        line,
        strip_version(written),
        id_version(written) or fields.get("version", ""),
        fields.get("name", ""),
        canonical_chrom(fields["chrom"]),
        start - 1,
        end,
        _STRANDS[fields["strand"]],
        fields.get("biotype", ""),
        secondary or written.endswith("_PAR_Y") or written.startswith("ENSGR"),
    )


def id_version(written: str) -> str:
    """Give the version within an Ensembl id (`14` of `ENSG00000000003.14`), empty where it has none."""
    return written.removesuffix("_PAR_Y").partition(".")[2] if written.startswith("ENS") else ""


def _position(path: Path, line: int, fields: Mapping[str, str], key: str) -> int:
    text = fields[key]
    # int() alone would take "1_000" and " 7 ".
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{path} line {line}: the {key} of a gene is a whole number; got {text!r}.")
    if not 1 <= int(text) < 2**31:
        raise InputError(f"{path} line {line}: the {key} of a gene is counted from 1; got {text}.")
    return int(text)
