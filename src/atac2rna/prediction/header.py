"""What the head of a file of predictions says: the model, the peaks, and how far to believe it."""

from collections.abc import Mapping, Sequence
from typing import Any

from atac2rna import __version__
from atac2rna.domain import Domain
from atac2rna.models.store import TrainedModel

MODEL_KEYS = ("atac2rna", "model", "model_version", "model_sha256", "interval")
"""Keys that all samples of one call share."""


def model_header(trained: TrainedModel, name: str, *, level: float) -> dict[str, str]:
    """Name the program and the model.

    Args:
        trained: The model.
        name: Name of the model.
        level: Share of the genes that the intervals are to hold.
    """
    card: Mapping[str, Any] = trained.card
    return {
        "atac2rna": __version__,
        "model": f"{_one_line(name)} ({card['kind']}, {len(card.get('training_samples', ()))} training samples)",
        "model_version": str(card.get("version", "unknown")),
        "model_sha256": str(card["files"].get("weights.safetensors", "unknown")),
        "interval": f"{level:g}",
    }


def sample_header(
    sample: str,
    *,
    files: Sequence[tuple[str, str]],
    assembly: str,
    assembly_source: str,
    genes: str,
    naming: str,
    domain: Domain | None,
    remarks: Sequence[str],
) -> dict[str, str]:
    """Name the sample, its files and the findings.

    Args:
        sample: Name of the sample.
        files: Name and sha256 of each peak file; an empty checksum where the peaks came from memory.
        assembly: The assembly.
        assembly_source: How it is known.
        genes: Where the places of the genes come from.
        naming: How the peaks name chromosomes.
        domain: How like the training samples it is; None: unknown.
        remarks: Sentences.
    """
    header = {
        "sample": sample,
        "peaks": "; ".join(name for name, _ in files),
        "peaks_sha256": "; ".join(sha256 or "none (from memory)" for _, sha256 in files),
        "assembly": assembly,
        "assembly_source": assembly_source,
        "genes": genes,
        "chromosome_names": naming,
    }
    if domain is None:
        header["verdict"] = "unknown"
    else:
        found = domain.statistics
        header |= {
            "verdict": domain.verdict,
            "novelty": f"{domain.novelty:.3f}",
            "nearest": ", ".join(f"{name} {similarity:.3f}" for name, similarity in domain.nearest),
            "n_peaks": str(found.number),
            "median_width": f"{found.width:g}",
            "promoters": ", ".join(f"{name} {share:.1%}" for name, share in domain.promoters.items()),
            "beside_training": domain.describe_peaks(),
            "trained_on": f"yes: a training sample of the model: {', '.join(domain.trained_on)}"
            if domain.trained_on
            else "no",
        }
    header["remarks"] = " ".join(remarks) or "none"
    return {key: _one_line(text) for key, text in header.items()}


def remarks_of(domain: Domain | None) -> list[str]:
    """Give the remarks of the domain as sentences."""
    if domain is None:
        return ["This model keeps nothing of its training samples: how like them the sample is cannot be told."]
    return [_sentence(remark) for remark in domain.remarks]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _one_line(text: str) -> str:
    return " ".join(text.split())
