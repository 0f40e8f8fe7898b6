"""Predict gene expression from open chromatin.

The names below are imported when they are first used, so that `import atac2rna` is quick and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atac2rna.atlas import Atlas as Atlas
    from atac2rna.building import build_atlas as build_atlas
    from atac2rna.checking import check_atlas as check_atlas
    from atac2rna.evaluation.plan import EvaluationSettings as EvaluationSettings
    from atac2rna.evaluation.run import evaluate as evaluate
    from atac2rna.formats.annotation import read_annotation as read_annotation
    from atac2rna.formats.expression import read_expression as read_expression
    from atac2rna.formats.manifest import read_manifest as read_manifest
    from atac2rna.formats.peaks import read_peaks as read_peaks
    from atac2rna.prediction.predictor import Predictor as Predictor
    from atac2rna.prediction.predictor import load_model as load_model
    from atac2rna.prediction.result import Prediction as Prediction
    from atac2rna.prediction.result import Predictions as Predictions
    from atac2rna.training import TrainingSettings as TrainingSettings
    from atac2rna.training import train as train

__version__ = "0.1.0"

_HOMES = {
    "Atlas": "atlas",
    "EvaluationSettings": "evaluation.plan",
    "Prediction": "prediction.result",
    "Predictions": "prediction.result",
    "Predictor": "prediction.predictor",
    "TrainingSettings": "training",
    "build_atlas": "building",
    "check_atlas": "checking",
    "evaluate": "evaluation.run",
    "load_model": "prediction.predictor",
    "read_annotation": "formats.annotation",
    "read_expression": "formats.expression",
    "read_manifest": "formats.manifest",
    "read_peaks": "formats.peaks",
    "train": "training",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'atac2rna' has no attribute {name!r}")
    return getattr(import_module(f"atac2rna.{_HOMES[name]}"), name)
