"""The cases of the made-up catalogue.

Each function makes some experiments and names them in `cases`:

| cases | what they are |
|---|---|
| same biosample | GM12878, two replicates on both sides; V24 beside V29 |
| same parent | heart left ventricle, two pieces with one `part_of`; RNA is total |
| same batch | HepG2, two biosamples of one `origin_batch` |
| same donor: TERM | EN-TEx style: one donor, six tissues, `internal_tags`, total RNA |
| same epigenome | keratinocyte, two donors, one ReferenceEpigenome |
| same term | CD14-positive monocyte, different donors; ATAC of two donors |
| matched set | sigmoid colon, different donors in a MatchedSet: the term only |
| mismatched set | a MatchedSet of thymus (ATAC) and spleen (RNA): nothing |
| many to many | K562: two ATAC, two polyA and one total RNA of one donor |
| ages differ | forebrain RNA of newborn mice of a strain whose embryos have ATAC-seq: at most the term |
| treated, modified, control, fraction, audit error, audit not compliant | what filters leave out |
| other assays | polyA minus RNA, snATAC, small RNA |
| two defaults, no default, no peaks, hg19 beside | choices of peak files (replicated ones are the default of "same batch") |
| two of a replicate, only V24, all revoked, one archived, restricted, unavailable | choices of quantifications |
| unpaired atac, unpaired rna | organoid; muscle of trunk |
| archived experiment | released once |
| dnase | IMR-90, DNase-seq |
| in vitro | cardiac muscle cell, `originated_from` a cell line |
| mouse: TERM | mm10, M21 |

Those of `made_kin` come after them.
"""

from .catalogue import Object
from .made import Bench
from .made_kin import make_kin
from .terms import MOUSE

ENTEX_TISSUES = ("stomach", "spleen", "gastrocnemius medialis", "thyroid gland", "right lobe of liver", "sigmoid colon")
_READ_DEPTH = {"category": "extremely low read depth", "detail": "made up", "level": 60, "level_name": "ERROR"}
_TSS = {"category": "low TSS enrichment", "detail": "made up", "level": 50, "level_name": "NOT_COMPLIANT"}
_COMPLEXITY = {"category": "moderate library complexity", "detail": "made up", "level": 40, "level_name": "WARNING"}
_TREATMENT = {"treatment_term_name": "dexamethasone", "treatment_term_id": "CHEBI:41879", "amount": 100}


def make_cases(bench: Bench) -> None:
    """Make all of them."""
    k562 = _levels(bench)
    _series(bench)
    _left_out(bench, k562)
    _peak_choices(bench)
    _quantification_choices(bench)
    _rest(bench)
    _mouse(bench)
    make_kin(bench)


def _levels(bench: Bench) -> Object:
    """One case for each level; gives the donor of K562."""
    shop = bench.shop
    woman = shop.donor(sex="female", age="unknown", stage="unknown")
    samples = [shop.biosample("GM12878", woman) for _ in range(2)]
    atac = bench.atac(*samples, audit={"WARNING": [_COMPLEXITY]})
    bench.case("same biosample", [atac], [bench.rna(*samples, old=True, lab="barbara-wold")], "biosample")

    child = shop.donor(sex="male", age="6", stage="child")
    heart = shop.biosample("heart left ventricle", child)
    pieces = [shop.biosample("heart left ventricle", child, part_of=heart["@id"]) for _ in range(2)]
    total = bench.rna(pieces[1], assay="total RNA-seq")
    bench.case("same parent", [bench.atac(pieces[0])], [total], "parent")

    boy = shop.donor(sex="male", age="15", stage="child")
    stock = shop.biosample("HepG2", boy)["@id"]
    tubes = [shop.biosample("HepG2", boy, origin_batch=stock) for _ in range(4)]
    atac = bench.atac(*tubes[:2], default="replicated peaks")
    bench.case("same batch", [atac], [bench.rna(*tubes[2:], lab="brenton-graveley")], "batch")

    giver = shop.donor(sex="male", age="37")
    for term in ENTEX_TISSUES:
        atac = bench.atac(shop.biosample(term, giver), internal_tags=["ENTEx"])
        rna = bench.rna(shop.biosample(term, giver), assay="total RNA-seq", internal_tags=["ENTEx"])
        bench.case(f"same donor: {term}", [atac], [rna], "donor")

    givers = [shop.donor(sex=sex, age=age) for sex, age in (("female", "34"), ("male", "21"), ("female", "49"))]
    monocytes = [shop.biosample("CD14-positive monocyte", one) for one in givers]
    atac = bench.atac(*monocytes[:2], default="replicated peaks")
    bench.case("same term", [atac], [bench.rna(monocytes[2])], "term")

    leukaemia = shop.donor(sex="female", age="53")
    cells = [shop.biosample("K562", leukaemia, disease_term_name="chronic myelogenous leukemia") for _ in range(7)]
    atacs = [bench.atac(*cells[:2], default="replicated peaks"), bench.atac(cells[2], lab="william-greenleaf")]
    rnas = [bench.rna(*cells[3:5]), bench.rna(cells[5], lab="brenton-graveley")]
    rnas.append(bench.rna(cells[6], assay="total RNA-seq"))
    bench.case("many to many", atacs, rnas, "donor")
    return leukaemia


def _series(bench: Bench) -> None:
    shop = bench.shop
    skin = [shop.donor(sex=sex, age="0", stage="newborn") for sex in ("male", "female")]
    atac = bench.atac(shop.biosample("keratinocyte", skin[0]))
    rna = bench.rna(shop.biosample("keratinocyte", skin[1]))
    shop.series("ReferenceEpigenome", [atac, rna])
    bench.case("same epigenome", [atac], [rna], "epigenome")

    colon = [shop.donor(sex="female", age=age) for age in ("51", "54")]
    atac = bench.atac(shop.biosample("sigmoid colon", colon[0]))
    rna = bench.rna(shop.biosample("sigmoid colon", colon[1]))
    shop.series("MatchedSet", [atac, rna])
    bench.case("matched set", [atac], [rna], "term")

    infants = [shop.donor(sex="male", age="3", stage="child"), shop.donor(sex="female", age="41")]
    atac = bench.atac(shop.biosample("thymus", infants[0]))
    rna = bench.rna(shop.biosample("spleen", infants[1]))
    shop.series("MatchedSet", [atac, rna])
    bench.case("mismatched set", [atac], [rna])


def _left_out(bench: Bench, donor: Object) -> None:
    """What filters leave out, all of K562, so that a filter forgotten shows as a further pair."""
    shop = bench.shop
    dosed = [shop.biosample("K562", donor, treatments=[_TREATMENT]) for _ in range(2)]
    bench.case("treated", [bench.atac(dosed[0])], [bench.rna(dosed[1])])
    edited = shop.biosample("K562", donor, genetic_modifications=["/genetic-modifications/ENCGM001AAA/"])
    bench.case("modified", [bench.atac(edited)], [])
    bench.case("control", [bench.atac(shop.biosample("K562", donor), control_type="genomic DNA")], [])
    part = shop.biosample("K562", donor, subcellular_fraction_term_name="nucleus")
    bench.case("fraction", [], [bench.rna(part)])
    error = bench.atac(shop.biosample("K562", donor), audit={"ERROR": [_READ_DEPTH], "WARNING": [_COMPLEXITY]})
    bench.case("audit error", [error], [])
    flagged = bench.atac(shop.biosample("K562", donor), audit={"NOT_COMPLIANT": [_TSS]})
    bench.case("audit not compliant", [flagged], [])
    others = [
        bench.rna(shop.biosample("K562", donor), assay="polyA minus RNA-seq"),
        bench.rna(shop.biosample("K562", donor), assay="small RNA-seq"),
    ]
    single = bench.atac(shop.biosample("K562", donor), assay="snATAC-seq", idr=False)
    bench.case("other assays", [single], others)
    gone = bench.atac(shop.biosample("K562", donor), status="archived")
    bench.case("archived experiment", [gone], [])


def _peak_choices(bench: Bench) -> None:
    shop = bench.shop
    donor = shop.donor(sex="male", age="62")
    term = "naive thymus-derived CD4-positive, alpha-beta T cell"
    cells = shop.biosample(term, donor)
    two = bench.atac(cells, cells)
    bench.peaks(two, [1, 2], output_type="replicated peaks", preferred_default=True)
    bench.case("two defaults", [two], [bench.rna(cells)], "biosample")

    sick = shop.donor(sex="female", age="69")
    breast = [shop.biosample("MCF-7", sick) for _ in range(2)]
    none = bench.atac(*breast, default=None)
    bench.peaks(none, [1], output_type="pseudoreplicated peaks")
    bench.peaks(none, [1, 2], output_type="replicated peaks")
    bench.case("no default", [none], [bench.rna(*breast)], "biosample")

    lung = shop.donor(sex="male", age="58")
    tube = shop.biosample("A549", lung)
    empty = bench.atac(tube, default=None, idr=False)
    bench.case("no peaks", [empty], [])
    both = bench.atac(shop.biosample("A549", lung))
    bench.peaks(both, [1], output_type="pseudoreplicated peaks", assembly="hg19", preferred_default=True)
    bench.case("hg19 beside", [both], [bench.rna(tube)], "donor")


def _quantification_choices(bench: Bench) -> None:
    shop = bench.shop
    giver = shop.donor(sex="female", age="90 or above", stage="adult")
    liver = shop.biosample("right lobe of liver", giver)
    atac = bench.atac(liver)
    twice = bench.rna(liver)
    bench.quantification(twice, 1, preferred_default=True)
    bench.case("two of a replicate", [atac], [twice], "biosample")

    def alone(name: str, term: str) -> Object:
        sample = shop.biosample(term, shop.donor(sex="male", age="45"))
        one = shop.experiment("polyA plus RNA-seq", [sample, sample], lab="barbara-wold")
        bench.case(name, [], [one])
        return one

    one = alone("only V24", "spleen")
    for number in (1, 2):
        bench.quantification(one, number, annotation="V24", preferred_default=True)
    one = alone("all revoked", "stomach")
    for number in (1, 2):
        bench.quantification(one, number, preferred_default=True, status="revoked")
    one = alone("one archived", "stomach")
    bench.quantification(one, 1, preferred_default=True)
    bench.quantification(one, 2, status="archived", analysis_status="archived")
    one = alone("restricted", "thyroid gland")
    for number in (1, 2):
        bench.quantification(one, number, preferred_default=True, restricted=True)
    one = alone("unavailable", "thyroid gland")
    for number in (1, 2):
        bench.quantification(one, number, preferred_default=True, no_file_available=True)


def _rest(bench: Bench) -> None:
    shop = bench.shop
    fetus = shop.donor(sex="unknown", age="20", stage="embryonic")
    bench.case("unpaired atac", [bench.atac(shop.biosample("organoid", fetus))], [])
    bench.case("unpaired rna", [], [bench.rna(shop.biosample("muscle of trunk", fetus))])

    lung = shop.donor(sex="female", age="16", stage="embryonic")
    fibroblasts = [shop.biosample("IMR-90", lung) for _ in range(2)]
    dnase = bench.atac(fibroblasts[0], assay="DNase-seq", lab="john-stamatoyannopoulos")
    bench.case("dnase", [dnase], [bench.rna(*fibroblasts)], "biosample")

    line = shop.donor(sex="male", age="30")
    stem = shop.biosample("HepG2", line, summary="a line")["@id"]
    beats = [shop.biosample("cardiac muscle cell", line, originated_from=stem) for _ in range(2)]
    bench.case("in vitro", [bench.atac(beats[0])], [bench.rna(beats[1])], "donor")


def _mouse(bench: Bench) -> None:
    """Mice of one strain share what the portal calls a donor, whatever their age."""
    shop = bench.shop
    strain = shop.donor(organism=MOUSE)
    adult = {"life_stage": "adult", "age": "8", "age_units": "week", "sex": "male"}
    heart = shop.biosample("heart", strain, **adult)
    bench.case("mouse: heart", [bench.atac(heart)], [bench.rna(heart)], "biosample")
    litter = shop.biosample("liver", strain, **adult)["@id"]
    livers = [shop.biosample("liver", strain, **adult, part_of=litter) for _ in range(3)]
    atac = bench.atac(*livers[:2], default="replicated peaks", lab="bing-ren")
    bench.case("mouse: liver", [atac], [bench.rna(livers[2])], "parent")
    for age in ("11.5", "15.5"):
        young = {"life_stage": "embryonic", "age": age, "age_units": "day", "sex": "mixed"}
        brains = [shop.biosample("forebrain", strain, **young) for _ in range(2)]
        atac = bench.atac(brains[0], lab="bing-ren")
        bench.case(f"mouse: forebrain {age}", [atac], [bench.rna(brains[1])], "donor")
    young = {"life_stage": "postnatal", "age": "0", "age_units": "day", "sex": "female"}
    bench.case("ages differ", [], [bench.rna(shop.biosample("forebrain", strain, **young))])
