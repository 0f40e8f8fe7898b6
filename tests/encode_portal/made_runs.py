"""Cases of the made-up catalogue in which an experiment has files of several runs, or of several thresholds.

| cases | what they are |
|---|---|
| dnase: two rates | peaks at 5 % (the lower accession) and at 0.1 %, none the default |
| dnase: 5 % is the default | the same, and the one at 5 % has the flag |
| dnase: no rate | one file that tells none |
| dnase: which rate | two files that tell none |
| dnase: of an old analysis | 0.1 % in a released and in an archived analysis, both files released |
| two runs | two analyses of both replicates, the later of which is the default one; no flags |
| flag in one run | two analyses; of the older both replicates, of the newer, with the flag, one of two |
| archived analysis beside | released files of an archived and of a released analysis |
| archived analysis: hg19 | released files, all of archived analyses |
| technical replicates | one biological replicate with two technical ones |

The quantifications are polyA and of a tissue without accessibility, so that no table of pairs changes with them.
"""

from copy import deepcopy

from .catalogue import Object
from .made import Bench, discovery_rate

_OLD = "ENCODE3"


def make_run_cases(bench: Bench) -> None:
    """Make all of them."""
    _rates(bench)
    _runs(bench)
    _archived(bench)


def _rates(bench: Bench) -> None:
    shop = bench.shop

    def dnase(name: str, level: str = "biosample") -> Object:
        cells = shop.biosample("IMR-90", shop.donor(sex="female", age="16", stage="embryonic"))
        one = bench.atac(cells, assay="DNase-seq", default=None, lab="john-stamatoyannopoulos")
        bench.case(f"dnase: {name}", [one], [bench.rna(cells)], level)
        return one

    one = dnase("two rates")
    bench.peaks(one, [1], output_type="peaks", **discovery_rate(5))
    bench.peaks(one, [1], output_type="peaks", **discovery_rate(0.1))
    one = dnase("5 % is the default")
    bench.peaks(one, [1], output_type="peaks", preferred_default=True, **discovery_rate(5))
    bench.peaks(one, [1], output_type="peaks", **discovery_rate(0.1))
    bench.peaks(dnase("no rate"), [1], output_type="peaks")
    one = dnase("which rate", "")
    for _ in range(2):
        bench.peaks(one, [1], output_type="peaks")
    one = dnase("of an old analysis")
    old = {"analysis_status": "archived", "pipeline": _OLD}
    bench.peaks(one, [1], output_type="peaks", **old, **discovery_rate(0.1))
    bench.peaks(one, [1], output_type="peaks", **discovery_rate(0.1))


def _muscle(bench: Bench, name: str, count: int) -> Object:
    shop = bench.shop
    sample = shop.biosample("muscle of trunk", shop.donor(sex="male", age="61"))
    one = shop.experiment("polyA plus RNA-seq", [sample] * count, lab="barbara-wold")
    bench.case(name, [], [one])
    return one


def _runs(bench: Bench) -> None:
    one = _muscle(bench, "two runs", 2)
    for pipeline in ("ENCODE4 v1.1.0", "ENCODE4 v1.2.1"):
        for number in (1, 2):
            bench.quantification(one, number, pipeline=pipeline)
    one = _muscle(bench, "flag in one run", 2)
    for number in (1, 2):
        bench.quantification(one, number, pipeline="ENCODE4 v1.1.0")
    bench.quantification(one, 1, preferred_default=True)

    one = _muscle(bench, "technical replicates", 1)
    second = deepcopy(one["replicates"][0]["library"])
    second["accession"] = bench.shop.accession("LB")
    second["@id"] = f"/libraries/{second['accession']}/"
    second["biosample"] = one["replicates"][0]["library"]["biosample"]
    number = {"@id": f"/replicates/{second['accession'].lower()}/", "technical_replicate_number": 2, "library": second}
    one["replicates"].append({**one["replicates"][0], **number})
    one["tech_replicate_count"] = 2
    bench.quantification(one, 1, preferred_default=True, technical_replicates=["1_1", "1_2"])


def _archived(bench: Bench) -> None:
    shop = bench.shop
    old = {"analysis_status": "archived", "pipeline": _OLD}
    one = _muscle(bench, "archived analysis beside", 1)
    bench.quantification(one, 1, **old)
    bench.quantification(one, 1)

    heart = shop.biosample("heart left ventricle", shop.donor(sex="female", age="44"))
    atac = bench.atac(heart, default=None, idr=False)
    bench.peaks(atac, [1], output_type="pseudoreplicated peaks", assembly="hg19", **old)
    rna = shop.experiment("total RNA-seq", [heart])
    bench.quantification(rna, 1, annotation="V19", assembly="hg19", **old)
    bench.case("archived analysis: hg19", [atac], [rna], "biosample")
