"""The page of the first experiment: every number comes from the results."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np

from atac2rna.files import whole_file
from atac2rna.metrics import Interval, delta_r
from atac2rna.quality.matrices import sample_problems
from first_experiment_atlas import LONG as ATLAS_LONG
from first_experiment_atlas import METRICS, AtlasResults
from first_experiment_matrices import (
    LONG,
    MEAN,
    REGIONS,
    SEEDS,
    STOPPED,
    WIDTH,
    ZERO,
    Control,
    Results,
    Scores,
    cut,
)
from first_experiment_pictures import draw_all, draw_models

PICTURES = "first-experiment"


def write_page(results: Results, atlas: AtlasResults, folder: Path) -> Path:
    """Write the page and its pictures and give its path."""
    weak = {
        f"{problem.table}-{problem.row}"
        for problem in sample_problems(results.matrices)
        if problem.code == "matrix-little-expression" and problem.severity == "warning"
    }
    draw_all(results, folder / PICTURES, weak=weak)
    draw_models(atlas, folder / PICTURES)
    sections = (
        opening(results, atlas),
        files(results),
        asis(results),
        cleaned(results),
        whose_peaks(results, weak),
        better_data(atlas),
        lessons(),
    )
    path = folder / "first-experiment.md"
    with whole_file(path) as temporary:
        temporary.write_text("\n\n".join(flow(section) for section in sections) + "\n")
    return path


def opening(results: Results, atlas: AtlasResults) -> str:
    there = find(results.scores, "10 Mb", "lines to tissues", LONG)
    mean = find(results.scores, "10 Mb", "lines to tissues", MEAN).interval("across_gene_r").mean
    control = next(c for c in results.controls if (c.region, c.setting) == ("10 Mb", "lines to tissues"))
    lost, coding = results.biotypes["protein_coding"][1], sum(results.biotypes["protein_coding"])
    bad, tissues = len(bad_rows(results, "tissues")), len(results.matrices["tissues"].peaks)
    own, wrong = (atlas.control[ATLAS_LONG][name] for name in ("delta_r_own", "delta_r_wrong"))
    kernel, network = (atlas.scores[name] for name in ("kernel", ATLAS_LONG))
    return f"""
# The first experiment

atac2rna began as a student's experiment: cut the start of chromosome 1 into bins of 1,000 bp, set a bin to 1 if a
strong ATAC-seq peak has its midpoint in it, and let a network (bins, 500 hidden units, all genes of the region) predict
the expression of 10 cell lines and 19 tissues of ENCODE. It fitted, the plots looked right, and the diary closed with a
question:

> How does it generalise to data that it has not seen? What should be measured? Is correlation good?

This page repeats the experiment on the student's own matrices and answers with numbers. It is written by
`python benchmarks/first_experiment.py DATA_FOLDER`. The network is `--model region-mlp`, the measures are those of
[metrics.md](metrics.md). Values are means over samples with 95% bootstrap intervals over clusters of samples; with 9 and
10 samples these are wide.

**In short**

- **It does not carry over to the other table.** Trained on the lines and tested on the tissues, skill is
  {cell(there.interval("skill"))} (below 0: a larger squared error than that of the training mean). What it predicts
  beyond the mean correlates with the truth at delta r {cell(control.interval("own"))}; given the peaks of other samples
  instead, at {cell(control.interval("wrong"))}.
- **Correlation across genes cannot tell.** The network reaches r = {there.interval("across_gene_r").mean:.2f} on these
  unseen samples. The mean of each gene over the training samples, which looks at no peak, reaches {mean:.2f}.
- **What to measure**: the gain over that mean (delta r, skill) on samples held out by cluster, beside the same network
  fed with the wrong sample's peaks.
- **These data could not have answered.** {lost} of the {coding} protein-coding genes of the region had been lost before
  training, the two tables had different column orders, and {bad} of {tissues} tissues were unusable.
- **On better data** ({len(atlas.samples)} samples, {atlas.genes} genes of the same region, {atlas.coding} of them
  protein-coding, whole lineages held out) the network of 300 epochs has delta r
  {cell(network["delta_r"])} and skill
  {cell(network["skill"])}; in the control, delta r
  {cell(own)} from the own peaks and {cell(wrong)} from those of another lineage. On the same genes and samples `kernel`,
  which looks around the genes of the whole genome, has delta r {cell(kernel["delta_r"])} and skill {cell(kernel["skill"])}.
"""


def bad_rows(results: Results, name: str) -> list[str]:
    """Give what was dropped of a table, samples only."""
    return [item.what for item in results.clean.dropped if item.what.startswith(f"{name} row ")]


def files(results: Results) -> str:
    orders, lines, tissues = results.orders, results.clean["lines"], results.clean["tissues"]
    filled, lost = results.biotypes["protein_coding"]
    rows = [[f.severity, f"`{f.code}`", short(f.subject), short(f.value)] for f in results.findings]
    dropped = "\n".join(f"- {short(item.what)}: {item.why}" for item in results.clean.dropped)
    halves = " and ".join(f"{half:.2f}" for half in orders.halves)
    written = " and ".join(f"{t.name} by {name}" for t, name in zip(results.matrices.tables, orders.names, strict=True))
    others = ", ".join(f"{name.replace('_', ' ')} {count}" for name, (count, _) in list(results.biotypes.items())[:5])
    twins = [c for c in dict.fromkeys(tissues.clusters) if tissues.clusters.count(c) > 1]
    together = "; ".join(
        " and ".join(s for s, c in zip(tissues.samples, tissues.clusters, strict=True) if c == twin) for twin in twins
    )
    return f"""
## What was in the files

The prepared matrices are those of
[shashkat/Gene-Expression-Prediction-Using-Deep-Neural-Network](https://github.com/shashkat/Gene-Expression-Prediction-Using-Deep-Neural-Network)
(MIT licence, 2023): no header, no sample names. What is wrong with them is found from the files and their gene table
alone (rows and columns count from 0):

{table(["severity", "finding", "where", "measured"], rows)}

![Gene means of the two tables before and after reordering]({PICTURES}/column-order.png)

**Column orders.** The mean expression of a gene is much the same in any set of samples: halves of one table correlate
at {halves}, but the two tables at {orders.before:.3f}. They had been written in different orders ({written}). Put together gene
by gene they correlate at {orders.after:.3f}, and the columns that were never filled coincide for {orders.unfilled_after:.0%} of
the columns instead of {orders.unfilled_before:.0%}. To train on one and test on the other without this is meaningless.

**Missing turned into zero.** The preparation compared gene ids with their versions. Where the version had changed between
two annotation releases, the gene was not found and its column stayed 0: {lost} of {filled + lost} protein-coding genes. Of
the {lines.expression.shape[1]} genes that were filled, {filled} are protein-coding (by biotype: {others}). There was next
to nothing to predict.

**Samples.** Some have no expression at all, some almost no peaks: one score limit had been applied to files in which the
score means different things. Left out for what follows:

{dropped}

{len(lines.samples)} lines and {len(tissues.samples)} tissues remain. So alike that they are held out together: {together}.
"""


def asis(results: Results) -> str:
    there = find(results.asis, "10 Mb", "lines to tissues", LONG)
    zero = find(results.asis, "10 Mb", "lines to tissues", ZERO)
    return f"""
## As the files stood

All samples, all columns, each table in its own order; 10,000 bins, 360 genes, 300 epochs, log2(TPM + 1).

{scores_table(results.asis)}

The samples trained on are known by heart and the other table is not predicted at all: the correlation across genes is
about 0, as it is for the mean, because the columns are those of other genes. Delta r and skill are fooled:
{there.interval("delta_r").mean:.2f} and {there.interval("skill").mean:.2f} from lines to tissues look like
success, but to predict 0 for every gene has
{zero.interval("delta_r").mean:.2f} and {zero.interval("skill").mean:.2f}. The "mean" that they are measured from is that of other
genes, and whatever stays below it is rewarded. A measure relative to a baseline is worth as much as the baseline; no
measure replaces looking at the data.
"""


def cleaned(results: Results) -> str:
    parts = []
    for region, end in REGIONS.items():
        genes = int((results.clean.genes.end <= end).sum()) if results.clean.genes else 0
        own = [s for s in results.scores if s.region == region]
        parts.append(f"### {region}: {end // WIDTH:,} bins, {genes} genes\n\n{scores_table(own)}")
    unseen = [s for s in results.scores if not s.setting.startswith("fit") and s.model in (LONG, STOPPED)]
    gains = [s for s in unseen if s.interval("skill").low > 0]
    gained = "; ".join(f"{s.setting} at {s.region}, {s.model}: {cell(s.interval('skill'))}" for s in gains)
    curves = "; ".join(
        f"trained on {c.trained_on}, {c.history.validation_loss.min():.2f} at best (epoch {c.history.best_epoch}) against "
        f"{c.mean_loss:.2f}"
        for c in results.curves
    )
    never = all(c.history.validation_loss.min() > c.mean_loss for c in results.curves)
    by_heart = " and ".join(str(int(np.argmax(c.history.train_loss < 0.01)) + 1) for c in results.curves)
    spread = "; ".join(f"{name} {min(v):.2f} to {max(v):.2f}" for name, v in results.seed_means.items())
    return f"""
## Columns in order, unusable samples left out

The network has 500 hidden units, squared error on log2(TPM + 1), Adam at 0.001, all samples in one step an epoch. "300
epochs" keeps the weights of lowest training error; "stopped early" holds a fifth of the training clusters out and keeps
the weights that were best on those. Of 10,000 bins {results.bins_used["lines"]:,} are open in any line and
{results.bins_used["tissues"]:,} in any tissue; the others carry nothing. The diary speaks of one million bases, the files have
ten; both are shown.

{parts[0]}

{parts[1]}

Rows of the network on unseen samples whose skill has an interval above 0: {len(gains)} of
{len(unseen)}{f" ({gained})" if gains else ""}.

![Learning curves]({PICTURES}/learning-curve.png)

The squared error on the samples trained on falls below 0.01 after {by_heart} epochs. On the other table it
{"is at no epoch below" if never else "falls below"} that of the
training mean: {curves}. Early stopping cannot repair that, and with so
few samples those that are held out to choose the epoch are missed in training. Chance matters: over {len(SEEDS)} seeds the mean
delta r of the network stopped early at 10 Mb is {spread}.

![Predicted against actual]({PICTURES}/predicted-against-actual.png)

The plot of the diary, for the unseen tissue of median r: the network (upper right) and the mean of the training samples
(lower left) look the same. What the network adds is only seen when that mean is taken from both sides (lower right).
"""


def scores_table(scores: Sequence[Scores]) -> str:
    """Write one row a setting and model."""
    names = ("across_gene_r", "delta_r", "skill")
    rows = [[s.setting, s.model, *(cell(s.interval(name)) for name in names)] for s in scores]
    return table(["setting", "model", "r across genes", "delta r", "skill"], rows)


def whose_peaks(results: Results, weak: set[str]) -> str:
    rows = [
        [c.region, c.setting, *(cell(c.interval(name)) for name in ("own", "wrong", "difference")), without(c, weak)]
        for c in results.controls
    ]
    heads = ["region", "setting", "own peaks", "others' peaks", "difference", "difference without the weak"]
    better = [c for c in results.controls if c.interval("difference").low > 0]
    named = "; ".join(f"{c.setting} at {c.region}" for c in better)
    across = any(" to " in c.setting for c in better)
    lines, tissues = (cut(results.clean, name, REGIONS["10 Mb"]) for name in ("lines", "tissues"))
    mean = lines.expression.mean(axis=0)
    zero = " and ".join(
        f"{delta_r(p=np.zeros_like(mean), t=truth, m=mean):.2f} for {sample}"
        for sample, truth in zip(tissues.samples, tissues.expression, strict=True)
        if sample in weak
    )
    return f"""
## Whose peaks does it read?

Each sample is predicted by one and the same network from its own peaks and from the peaks of each other sample (the
mean of these). Within a table that network has seen neither of the two. Delta r, 300 epochs:

{table(heads, rows)}

![Delta r of each sample]({PICTURES}/delta-by-sample.png)

The own peaks are better by more than the interval in {len(better)} of
{len(rows)} rows{f": {named}" if better else ""}. So there is a trace
of knowledge within a table; from one table to the other there is {"some too" if across else "none"}.
Much of what looks like success
is not knowledge of the sample: the weak tissues have so little expression that every prediction below the mean is right
for them, from whichever peaks it is made. To predict 0 for every gene has, measured from the mean of the lines, a delta r of
{zero}. The last column leaves them out.
"""


def better_data(atlas: AtlasResults) -> str:
    names = ["r across genes", "delta r", "delta r within dataset", "skill"]
    rows = [[f"`{model}`", *(cell(values[m]) for m in METRICS)] for model, values in atlas.scores.items()]
    controls = [[f"`{model}`", *(cell(value) for value in values.values())] for model, values in atlas.control.items()]
    heads = ["model", "own peaks", "other lineage's peaks", "own, within dataset", "other's, within dataset"]
    notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in atlas.notes)
    return f"""
## The same network on data that could answer

{len(atlas.samples)} paired samples in one assembly (blood populations of Corces et al. 2016, five ENCODE cell types) and
TPM of the {atlas.genes} genes of chr1:0-10,000,000 that were measured in all of them, {atlas.coding} protein-coding, joined
without version. Each of {atlas.clusters} lineages is held out as a whole. {notes} The other models learn from all
{atlas.all_genes:,} genes (and from {len(atlas.left_out)} more samples of another assembly, which the network cannot use) and are
scored on the same {atlas.genes} genes, samples and folds. It is the region's table of `atac2rna evaluate`.

{table(["model", *names], rows)}

![Models on the genes of the region]({PICTURES}/models-on-the-region.png)

{table(heads, controls)}

The second table is the control: delta r from the own peaks and from those of another lineage, by networks that saw
neither. "Within dataset" measures from the mean of the training samples of the same source, which takes the offset
between RNA pipelines out. Most of what the network knows of a sample, it knows from the wrong peaks too.
"""


def lessons() -> str:
    return """
## What was learned

- A network from positions to genes has to learn every gene anew from as many examples as there are samples. Models that
  look around genes, and at all genes of the genome, have far more to learn from: hence windows around genes in place of
  bins of a region.
- Report the gain over each gene's training mean, not the correlation; hold out whole lineages; show the wrong-peaks
  control beside every score.
- Check the data before training. Join ids without version; a gene that is missing is missing, not 0. Rank peaks within
  their sample, do not trust one score limit. Name samples and genes in the file.
"""


def find(scores: Sequence[Scores], region: str, setting: str, model: str) -> Scores:
    """Give the scores of one row."""
    return next(s for s in scores if (s.region, s.setting, s.model) == (region, setting, model))


def without(control: Control, weak: set[str]) -> str:
    """Write the paired difference over the samples that are not weak."""
    keep = np.array([sample not in weak for sample in control.samples])
    if keep.all():
        return "(none is weak)"
    kept = [i for i, k in enumerate(keep) if k]
    names = [tuple(values[i] for i in kept) for values in (control.clusters, control.samples)]
    return cell(
        Control(control.region, control.setting, control.own[keep], control.wrong[keep], *names).interval("difference")
    )


def cell(interval: Interval) -> str:
    """Write a mean with its interval, left out where it has no width; `none` where the metric is undefined."""
    if not np.isfinite(interval.mean):
        return "none"
    mean, low, high = (f"{value:.2f}".replace("-0.00", "0.00") for value in interval[:3])
    return mean if low == high == mean else f"{mean} [{low}, {high}]"


def flow(section: str) -> str:
    """Break the lines of a section's text; headings, tables, pictures and quotations stay as they are."""
    blocks = []
    for block in section.strip().split("\n\n"):
        if block.startswith("- "):
            items = block[2:].split("\n- ")
            blocks.append("\n".join(_fill(item, first="- ", then="  ") for item in items))
        else:
            blocks.append(block if block.startswith(("#", "|", "!", ">")) else _fill(block))
    return "\n\n".join(blocks)


def _fill(text: str, *, first: str = "", then: str = "") -> str:
    words = " ".join(text.split())
    options = {"break_long_words": False, "break_on_hyphens": False}
    return fill(words, 120, initial_indent=first, subsequent_indent=then, **options)


def short(text: str, length: int = 110) -> str:
    """Cut a long text at a word."""
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " ..."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
