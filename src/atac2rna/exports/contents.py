"""What an export holds: samples, assembly, and where it came from."""

from collections.abc import Sequence
from hashlib import sha256

from atac2rna import __version__
from atac2rna.atlas import Atlas
from atac2rna.errors import InputError, nearest_names
from atac2rna.genome import canonical_assembly


def choose_samples(atlas: Atlas, assembly: str | None) -> tuple[str, ...]:
    """Name the samples of an assembly, in order; None: all.

    Raises:
        InputError: If there is none.
    """
    if assembly is None:
        return tuple(record.name for record in atlas.samples)
    name = canonical_assembly(assembly)
    chosen = tuple(record.name for record in atlas.samples if record.assembly == name)
    if not chosen:
        known = nearest_names(name, assemblies_of(atlas, [record.name for record in atlas.samples]))
        raise InputError(f"{atlas.path}: has no sample of assembly {name!r}: {known}")
    return chosen


def assemblies_of(atlas: Atlas, samples: Sequence[str]) -> tuple[str, ...]:
    """Name the assemblies of samples, each once, in order of appearance."""
    return tuple(dict.fromkeys(atlas.record(sample).assembly for sample in samples))


def require_one_assembly(atlas: Atlas, samples: Sequence[str], *, instead: str) -> str:
    """Name the assembly of the samples.

    Args:
        atlas: The atlas.
        samples: The samples.
        instead: A further way out, for the error.

    Raises:
        InputError: If there are several.
    """
    found = assemblies_of(atlas, samples)
    if len(found) == 1:
        return found[0]
    counts = {name: sum(atlas.record(sample).assembly == name for sample in samples) for name in found}
    told = " and ".join(f"{count} of {name}" for name, count in counts.items())
    most = max(counts, key=lambda name: counts[name])
    raise InputError(
        f"{atlas.path}: bins are places in one assembly; its samples are {told}. Pass --assembly {most} to export those "
        f"alone{instead}."
    )


def fingerprint(atlas: Atlas) -> str:
    """Sha256 over samples, their columns and the checksums of their files, and the selected genes; not over paths."""
    digest = sha256()
    for record in atlas.samples:
        sums = [source.sha256 for source in (*record.atac, *record.rna)]
        digest.update(repr((record.name, record.assembly, sorted(record.columns.items()), sums)).encode())
    for name in assemblies_of(atlas, [record.name for record in atlas.samples]):
        digest.update(atlas.genes(name).fingerprint.encode())
    return digest.hexdigest()


def provenance(atlas: Atlas, samples: Sequence[str]) -> dict[str, str]:
    """Say what everything in an export rests on."""
    return {
        "made_by": f"atac2rna {__version__}",
        "atlas": atlas.path.name,
        "atlas_fingerprint": fingerprint(atlas),
        "assembly": ", ".join(assemblies_of(atlas, samples)),
        "coordinates": "0-based half-open; tss is the 0-based first transcribed base",
    }
