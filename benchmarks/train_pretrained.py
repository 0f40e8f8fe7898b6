"""Train the model in the box, and write the directory that ships inside the package.

python benchmarks/train_pretrained.py DATA -o src/atac2rna/pretrained [--summary lineage=FILE --summary dataset=FILE]

DATA is the folder that holds atlas21/, annotation/ and expression_compendium/. Equal data and seed give equal files on one
machine, and predictions equal to 1e-5 where sums are taken in another order (another number of threads). The scores of the
model card are those of `atac2rna evaluate` by lineage and by dataset, computed here (a quarter of an hour on one core) unless
their summary.json is given.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from atac2rna.atlas import Atlas
from atac2rna.building import build_atlas
from atac2rna.evaluation.plan import EvaluationSettings
from atac2rna.evaluation.run import evaluate
from atac2rna.formats.manifest import read_manifest
from atac2rna.training import TrainingSettings, train

MODELS = ("mean", "nearest", "gene-activity", "ridge", "kernel", "joint")
FILES = ("model.json", "weights.safetensors", "genes.tsv.gz", "experience.safetensors")

ABOUT = {
    "name": "atac2rna-human-1",
    "summary": "Human, 17,856 protein-coding genes, from 21 paired samples (mostly blood) and 51 expression profiles.",
    "sources": {
        "heme_corces": "14 sorted blood populations, ATAC-seq and RNA-seq: Corces et al. 2016 (GSE74912, GSE74246), "
        "further populations as in Ulirsch, Lareau et al. 2019; hg19",
        "encode_roadmap": "GM12878, HeLa-S3, HUVEC, K562 (DNase-seq) and NHEK (FAIRE-seq) of ENCODE; RNA-seq of Roadmap "
        "Epigenomics 2015 (E116, E117, E122, E123, E127); hg19",
        "encode_entex": "stomach and sigmoid colon of one EN-TEx donor (ENCDO451RUA), ATAC-seq ENCFF762IFP and ENCFF287UHP "
        "(incomplete peak lists), RNA-seq ENCFF918KPC and ENCFF268RWA; hg38",
        "compendium": "51 epigenomes of Roadmap Epigenomics 2015 (RNA-seq alone; the five that are samples are left out)",
    },
    "good_at": [
        "blood populations, and cell types with a relative among samples or profiles",
        "peaks of ATAC-seq or DNase-seq with signal, in hg19 or hg38",
    ],
    "bad_at": [
        "solid tissues: two samples of the digestive tract are all that was trained on",
        "cell types without a relative (erythroblasts, when they are held out)",
        "expression in your own pipeline's scale: values are of three RNA-seq pipelines; compare samples rather than genes",
        "non-coding genes, other species: not predicted",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--summary", action="append", default=[], metavar="HOLDOUT=FILE")
    arguments = parser.parse_args()
    given = dict(part.split("=", 1) for part in arguments.summary)
    data = arguments.data
    compendium = data / "expression_compendium"
    own = {"compendium": compendium / "roadmap56_tpm.tsv.gz", "compendium_info": compendium / "epigenomes.tsv"}
    with tempfile.TemporaryDirectory() as scratch:
        annotations = {name: data / "annotation" / f"genes_{name}.tsv.gz" for name in ("hg19", "hg38")}
        manifest = read_manifest(data / "atlas21" / "samples.tsv")
        atlas = build_atlas(manifest, Path(scratch, "atlas.zarr"), annotations=annotations)
        scores = {name: card_scores(atlas, name, given.get(name), own) for name in ("lineage", "dataset")}
        made = Path(scratch, "model")
        train(atlas, made, TrainingSettings(**own), about={**ABOUT, "held_out": scores}, progress=print)
        arguments.output.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(made / name, arguments.output / name)
    sizes = {name: (arguments.output / name).stat().st_size for name in FILES}
    print(f"{arguments.output}: {sum(sizes.values()) / 1e6:.1f} MB", sizes)


def card_scores(atlas: Atlas, holdout: str, given: str | None, own: dict[str, Path]) -> dict:
    """Scores of every model on held-out samples, as they stand in summary.json."""
    if given is None:
        settings = EvaluationSettings(holdout=holdout, models=MODELS, **own)
        summary = evaluate(atlas, settings, progress=print).summary
    else:
        summary = json.loads(Path(given).read_text())
    names = ("n_genes", "n_samples", "n_clusters", "models", "datasets", "verdict")
    return {name: summary[name] for name in names}


if __name__ == "__main__":
    main()
