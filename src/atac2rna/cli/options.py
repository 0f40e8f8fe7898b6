"""Options that several commands share, and how their text is read."""

import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from atac2rna.errors import InputError


class OrganismOption(Enum):
    """Organisms whose data are fetched."""

    human = "human"
    mouse = "mouse"


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell every step, also when piped.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of whatever is random; equal seeds give equal results.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Files read at a time.")]
Annotations = Annotated[
    list[str],
    typer.Option(
        "--annotation",
        metavar="ASSEMBLY=FILE",
        help="Gene annotation of an assembly: GTF, GFF3, BioMart export or gene table. Repeat for several assemblies.",
    ),
]
Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting of the model. Repeat for several.")
]

WithModel = Annotated[
    str | None,
    typer.Option(
        "--with", metavar="MODEL", help="A trained model: its directory, or builtin for the one that is shipped."
    ),
]
CompendiumFile = Annotated[
    Path | None,
    typer.Option(
        "--compendium",
        metavar="FILE|builtin",
        help="Expression profiles without ATAC, genes x profiles, TPM: prior of models; builtin: those of the shipped model.",
    ),
]
CompendiumInfo = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Table of its profiles; columns same_as and related name samples of the atlas."),
]
StrictRelatives = Annotated[
    bool,
    typer.Option("--strict-relatives", help="Leave out profiles declared relatives of held-out samples, too."),
]


def parse_annotations(values: Sequence[str]) -> dict[str, Path]:
    """Read `ASSEMBLY=FILE` options into files by canonical assembly."""
    from atac2rna.genome import canonical_assembly

    files: dict[str, Path] = {}
    for value in values:
        assembly, sign, path = value.partition("=")
        if not (assembly and sign and path):
            raise InputError(f"an annotation is ASSEMBLY=FILE; got --annotation {value!r}. Write hg38=genes.gtf.gz.")
        name = canonical_assembly(assembly)
        if name in files:
            raise InputError(f"an assembly has one annotation; --annotation names {name!r} twice. Leave one out.")
        if not Path(path).expanduser().is_file():
            raise InputError(f"{path}: no such file; --annotation {assembly} names a GTF, GFF3, BioMart or gene table.")
        files[name] = Path(path).expanduser()
    return files


def parse_names(text: str, *, option: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise InputError(f"names are separated by one comma each; got {option} {text!r}. Leave the empty one out.")
    return names


def parse_bins(text: str | None) -> str | None:
    """Check a choice of bins of region-mlp."""
    if text is not None and not re.fullmatch(r"score|top=[1-9]\d*", text):
        raise InputError(f"bins are 'score' or 'top=N', the N strongest peaks; got --bins {text!r}. Write top=20000.")
    return text


def parse_settings(values: Sequence[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` options; values as in TOML where they are TOML (numbers, true, false), else as text."""
    import tomllib

    settings: dict[str, Any] = {}
    for value in values:
        key, sign, text = value.partition("=")
        if not (key and sign):
            raise InputError(f"a setting is KEY=VALUE; got --set {value!r}. Write penalty=10.")
        if key in settings:
            raise InputError(f"a setting has one value; --set names {key!r} twice. Leave one out.")
        try:
            settings[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key] = text
    return settings


def parse_model_settings(values: Sequence[str], models: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Read `MODEL.KEY=VALUE` options into settings by model; `KEY=VALUE` will do where one model is compared."""
    settings: dict[str, dict[str, Any]] = {}
    rivals = [name for name in models or () if name != "mean"]
    for key, value in parse_settings(values).items():
        model, dot, name = key.partition(".")
        if not dot and len(rivals) == 1:
            model, dot, name = rivals[0], ".", key
        if not (dot and name):
            raise InputError(
                f"a setting of a model is MODEL.KEY=VALUE; got --set {key}={value}. Write ridge.penalty=10."
            )
        settings.setdefault(model, {})[name] = value
    return settings


def read_config(path: Path | None) -> dict[str, Any]:
    """Read a TOML settings file; {} where none is given. Files that it names are relative to its folder.

    Raises:
        InputError: If the file is missing or no TOML.
    """
    import tomllib

    from atac2rna.files import read_text_bytes
    from atac2rna.shipped import BUILTIN

    if path is None:
        return {}
    text = read_text_bytes(path, what="a settings file (TOML)")
    try:
        values = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: is not TOML ({fault}); correct it.") from None
    files = {key: values[key] for key in ("compendium", "compendium_info") if isinstance(values.get(key), str)}
    if files.get("compendium") == BUILTIN:
        del files["compendium"]
    return values | {key: path.parent / Path(name).expanduser() for key, name in files.items()}
