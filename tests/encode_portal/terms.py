"""Words of the portal that made-up objects use: ontology terms with their slims, labs, organisms."""

from .catalogue import Object

HUMAN = {"@id": "/organisms/human/", "name": "human", "scientific_name": "Homo sapiens"}
MOUSE = {"@id": "/organisms/mouse/", "name": "mouse", "scientific_name": "Mus musculus"}

PIPELINE: Object = {
    "@id": "/labs/encode-processing-pipeline/",
    "name": "encode-processing-pipeline",
    "title": "ENCODE Processing Pipeline",
}
LABS: dict[str, Object] = {
    name: {"@id": f"/labs/{name}/", "name": name, "title": title}
    for name, title in (
        ("michael-snyder", "Michael Snyder, Stanford"),
        ("william-greenleaf", "Will Greenleaf, Stanford"),
        ("john-stamatoyannopoulos", "John Stamatoyannopoulos, UW"),
        ("thomas-gingeras", "Thomas Gingeras, CSHL"),
        ("barbara-wold", "Barbara Wold, Caltech"),
        ("brenton-graveley", "Brenton Graveley, UConn"),
        ("bing-ren", "Bing Ren, UCSD"),
    )
}
AWARDS: dict[str, Object] = {
    rfa: {"@id": f"/awards/{number}/", "name": number, "rfa": rfa, "project": "ENCODE"}
    for rfa, number in (("ENCODE4", "UM1HG009442"), ("ENCODE3", "U54HG007004"), ("ENCODE2", "ENCODE2"))
}


def _term(
    classification: str,
    term_id: str,
    term_name: str,
    organs: str,
    systems: str,
    cells: str = "",
    germ: str = "mesoderm",
) -> Object:
    """Write a BiosampleType; several slims are separated by `;`."""
    name = f"{classification.replace(' ', '_')}_{term_id.replace(':', '_')}"
    return {
        "@id": f"/biosample-types/{name}/",
        "@type": ["BiosampleType", "Item"],
        "name": name,
        "classification": classification,
        "term_id": term_id,
        "term_name": term_name,
        "synonyms": [],
        "organ_slims": [word for word in organs.split(";") if word],
        "cell_slims": [word for word in cells.split(";") if word],
        "system_slims": [word for word in systems.split(";") if word],
        "developmental_slims": [germ],
        "status": "released",
    }


_BLOOD, _IMMUNE = "bodily fluid;blood", "immune system"
_WHITE = "hematopoietic cell;leukocyte"
_GUT = "digestive system"

TERMS: dict[str, Object] = {
    one["term_name"] if one["classification"] != "organoid" else "organoid": one
    for one in (
        _term("cell line", "EFO:0002067", "K562", _BLOOD, _IMMUNE, f"{_WHITE};cancer cell"),
        _term("cell line", "EFO:0002784", "GM12878", _BLOOD, _IMMUNE, f"{_WHITE};lymphocyte;B cell"),
        _term(
            "cell line",
            "EFO:0001187",
            "HepG2",
            "liver;exocrine gland;endocrine gland",
            _GUT,
            "epithelial cell;cancer cell",
            "endoderm",
        ),
        _term(
            *("cell line", "EFO:0002824", "HCT116", "intestine;large intestine;colon;epithelium", _GUT),
            *("epithelial cell;cancer cell", "endoderm"),
        ),
        _term("primary cell", "CL:0000236", "B cell", _BLOOD, _IMMUNE, f"{_WHITE};lymphocyte;B cell"),
        _term("primary cell", "CL:0000623", "natural killer cell", _BLOOD, _IMMUNE, f"{_WHITE};lymphocyte"),
        _term("primary cell", "CL:0000765", "erythroblast", _BLOOD, _IMMUNE, "hematopoietic cell"),
        _term("tissue", "UBERON:0000995", "uterus", "uterus", "reproductive system"),
        *(
            _term("tissue", term_id, name, "brain", "central nervous system", germ="ectoderm")
            for term_id, name in (
                ("UBERON:0009834", "dorsolateral prefrontal cortex"),
                ("UBERON:0002626", "head of caudate nucleus"),
            )
        ),
        _term("cell line", "EFO:0001196", "IMR-90", "lung", "respiratory system", "fibroblast;connective tissue cell"),
        _term(
            "cell line",
            "EFO:0001203",
            "MCF-7",
            "mammary gland",
            "integumental system",
            "epithelial cell;cancer cell",
            "ectoderm",
        ),
        _term(
            "cell line",
            "EFO:0001086",
            "A549",
            "lung;epithelium",
            "respiratory system",
            "epithelial cell;cancer cell",
            "endoderm",
        ),
        _term("primary cell", "CL:0001054", "CD14-positive monocyte", _BLOOD, _IMMUNE, f"{_WHITE};monocyte"),
        _term(
            *("primary cell", "CL:0000895", "naive thymus-derived CD4-positive, alpha-beta T cell", _BLOOD, _IMMUNE),
            f"{_WHITE};T cell",
        ),
        _term(
            "primary cell",
            "CL:0000312",
            "keratinocyte",
            "skin of body;epithelium",
            "integumental system",
            "keratinocyte;epithelial cell",
            "ectoderm",
        ),
        _term(
            "in vitro differentiated cells",
            "CL:0000746",
            "cardiac muscle cell",
            "heart;musculature of body",
            "circulatory system",
            "muscle cell",
        ),
        _term(
            "in vitro differentiated cells",
            "CL:0002319",
            "neural cell",
            "brain",
            "central nervous system",
            "neural cell",
            "ectoderm",
        ),
        _term("organoid", "NTR:0002319", "brain organoid", "brain", "central nervous system", "", "ectoderm"),
        _term("tissue", "UBERON:0000945", "stomach", "stomach", _GUT, germ="endoderm"),
        _term("tissue", "UBERON:0001159", "sigmoid colon", "intestine;large intestine;colon", _GUT, germ="endoderm"),
        _term("tissue", "UBERON:0002106", "spleen", "spleen", _IMMUNE),
        _term("tissue", "UBERON:0011907", "gastrocnemius medialis", "musculature of body;limb", "musculature"),
        _term(
            "tissue",
            "UBERON:0002046",
            "thyroid gland",
            "thyroid gland;endocrine gland",
            "endocrine system",
            germ="endoderm",
        ),
        _term("tissue", "UBERON:0002084", "heart left ventricle", "heart", "circulatory system"),
        _term(
            "tissue",
            "UBERON:0001114",
            "right lobe of liver",
            "liver;exocrine gland;endocrine gland",
            f"{_GUT};endocrine system",
            germ="endoderm",
        ),
        _term("tissue", "UBERON:0002370", "thymus", "thymus", _IMMUNE, germ="endoderm"),
        _term("tissue", "UBERON:0001774", "muscle of trunk", "musculature of body", "musculature"),
        _term("tissue", "UBERON:0000948", "heart", "heart", "circulatory system"),
        _term("tissue", "UBERON:0001890", "forebrain", "brain", "central nervous system", germ="ectoderm"),
        _term(
            "tissue",
            "UBERON:0002107",
            "liver",
            "liver;exocrine gland;endocrine gland",
            f"{_GUT};endocrine system",
            germ="endoderm",
        ),
    )
}
