"""Cases of the made-up catalogue in which the replicates and the origin of biosamples decide.

| cases | what they are |
|---|---|
| technical replicates | uterus, one replicate of two libraries on both sides |
| pool, member | B cell, a pool of two donors' cells; one of these two alone, so the two pairs are kin |
| two pools | natural killer cell, pools that have a member in common |
| pool and its member | erythroblast, ATAC of a pool, RNA of one of its members |
| pool without donor | keratinocyte, a pool of which no donor is told: the query for experiments does not give it |
| batch root | neural cell, ATAC of the biosample that is the origin batch of that of the RNA |
| disease on one side | prefrontal cortex, ATAC of a healthy donor, RNA of one with a disease: nothing |
| disease on both sides | caudate nucleus, two donors with one disease: the term only |
| unlike replicates | HCT116, ATAC of cells and of nuclei, RNA of nuclei: nothing |
"""

from .catalogue import Object
from .made import Bench

_ILL = {"disease_term_name": ["Alzheimer's disease"]}
_NUCLEUS = {"subcellular_fraction_term_name": "nucleus"}


def make_kin(bench: Bench) -> None:
    """Make all of them."""
    _pools(bench)
    _replicates(bench)
    _diseases(bench)
    shop = bench.shop
    giver = shop.donor(sex="male", age="44")
    root = shop.biosample("neural cell", giver)
    child = shop.biosample("neural cell", giver, origin_batch=root["@id"])
    bench.case("batch root", [bench.atac(root)], [bench.rna(child)], "batch")


def _pools(bench: Bench) -> None:
    shop = bench.shop

    def cells(term: str, number: int) -> list[Object]:
        return [shop.biosample(term, shop.donor(sex="female", age=str(31 + n))) for n in range(number)]

    def pool(*members: Object, donor: Object | None) -> Object:
        links = [one["@id"] for one in members]
        return shop.biosample(members[0]["biosample_ontology"]["term_name"], donor, pooled_from=links)

    one, two = cells("B cell", 2)
    both = pool(one, two, donor=two["donor"])
    bench.case("pool", [bench.atac(both)], [bench.rna(both)], "biosample")
    bench.case("member", [bench.atac(one)], [bench.rna(one)], "biosample")

    one, two, three = cells("natural killer cell", 3)
    left, right = pool(one, two, donor=one["donor"]), pool(two, three, donor=three["donor"])
    bench.case("two pools", [bench.atac(left)], [bench.rna(right)], "pool")

    one, two = cells("erythroblast", 2)
    bench.case("pool and its member", [bench.atac(pool(one, two, donor=two["donor"]))], [bench.rna(one)], "pool")

    nobody = pool(*cells("keratinocyte", 2), donor=None)
    bench.case("pool without donor", [bench.atac(nobody)], [bench.rna(nobody)])


def _replicates(bench: Bench) -> None:
    shop = bench.shop
    uterus = shop.biosample("uterus", shop.donor(sex="female", age="47"))
    sides = [bench.atac(uterus), bench.rna(uterus)]
    for one in sides:
        _second_library(bench, one)
    bench.case("technical replicates", sides[:1], sides[1:], "biosample")

    man = shop.donor(sex="male", age="48")
    whole = shop.biosample("HCT116", man)
    nuclei = [shop.biosample("HCT116", man, **_NUCLEUS) for _ in range(2)]
    atac = bench.atac(whole, nuclei[0], default="replicated peaks")
    bench.case("unlike replicates", [atac], [bench.rna(nuclei[1])])


def _second_library(bench: Bench, experiment: Object) -> None:
    """Give the only replicate of an experiment a second library: a technical replicate."""
    (first,) = experiment["replicates"]
    name = bench.shop.accession("LB")
    library = first["library"] | {"@id": f"/libraries/{name}/", "accession": name}
    second = first | {"@id": f"/replicates/{name.lower()}/", "technical_replicate_number": 2, "library": library}
    experiment["replicates"].append(second)
    experiment["tech_replicate_count"] = 2
    for file in experiment["files"]:
        file["technical_replicates"] = ["1_1", "1_2"]


def _diseases(bench: Bench) -> None:
    shop = bench.shop
    old = [shop.donor(sex="female", age="90 or above") for _ in range(2)]
    term = "dorsolateral prefrontal cortex"
    atac, rna = bench.atac(shop.biosample(term, old[0])), bench.rna(shop.biosample(term, old[1], **_ILL))
    bench.case("disease on one side", [atac], [rna])
    term = "head of caudate nucleus"
    atac, rna = bench.atac(shop.biosample(term, old[0], **_ILL)), bench.rna(shop.biosample(term, old[1], **_ILL))
    bench.case("disease on both sides", [atac], [rna], "term")
