"""Data flows down only: the order of the modules, read from their imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "atac2rna"

# A module (or the modules of a package) imports only from those above it, a package also within itself.
ORDER = (
    "errors",
    "extras",
    "genome",
    "peaks",
    "files",
    "cache",
    "intervals",
    "formats",
    "annotations",
    "shipped",
    "sources",
    "simulate",
    "atlas",
    "features",
    "quality",
    "building",
    "checking",
    "folds",
    "metrics",
    "reliability",
    "models",
    "domain",
    "compendium",
    "profile_pool",
    "cohort",
    "own_samples",
    "plots",
    "prediction",
    "evaluation",
    "training",
    "fine_tuning",
    "exports",
    "demo",
    "cli",
)
# Closer bounds than the order gives: the whole of what a module may import.
ONLY = {
    "formats": {"errors", "extras", "genome", "peaks", "files"},
    "sources": {"errors", "genome", "files", "cache", "formats", "annotations"},
}
NEVER = {"features": {"atlas"}}

# What `atac2rna --help` answers without.
HEAVY = ("torch", "lightning", "pytorch_lightning", "sklearn", "matplotlib")


def module_name(path: Path, root: Path) -> str:
    """Give the dotted name of a file below the package folder `root`; "" for the package itself."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(tree: ast.Module, module: str, package: str, *, is_package: bool) -> Iterator[str]:
    """Give every name of `package` that a module imports anywhere in it, without the package's own prefix.

    Imports inside functions and under TYPE_CHECKING count too: the order is one of knowledge, not of loading.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = [package, *filter(None, module.split("."))]
                keep = len(here) - node.level + int(is_package)
                base = ".".join([*here[:keep], *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith(f"{package}."):
                yield name.removeprefix(f"{package}.")


def import_graph(root: Path) -> dict[str, set[str]]:
    """Map each module of the package in folder `root` to the modules of it that it imports.

    `from package.a import b` is an import of module `a.b` where there is one, else of `a`. The package's own
    `__init__` (its version, its public names) is no module here.
    """
    paths = {module_name(path, root): path for path in sorted(root.rglob("*.py"))}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        if not module:
            continue
        targets = set()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name in imported_names(tree, module, root.name, is_package=path.name == "__init__.py"):
            while name and name not in paths:
                name = name.rpartition(".")[0]
            if name:
                targets.add(name)
        graph[module] = targets - {module}
    return graph


def broken_rules(graph: dict[str, set[str]]) -> list[str]:
    """Tell, one sentence each, which imports go against the order."""
    rank = {name: place for place, name in enumerate(ORDER)}
    faults = [
        f"{module}: has no place in ORDER of tests/test_layers.py; put {module.partition('.')[0]!r} "
        "below all that it imports and above all that imports it"
        for module in graph
        if module.partition(".")[0] not in rank
    ]
    for module, targets in graph.items():
        source = module.partition(".")[0]
        for target in sorted(targets):
            goal = target.partition(".")[0]
            if goal == source or goal not in rank or source not in rank:
                continue
            if rank[goal] >= rank[source]:
                faults.append(f"{module} imports {target}, which stands below it: {source} comes before {goal}")
            elif goal in NEVER.get(source, ()) or (source in ONLY and goal not in ONLY[source]):
                faults.append(f"{module} imports {target}, which {source} may not know")
    return faults


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Give the modules of one import cycle, the first repeated at the end; empty where there is none."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph.get(module, ())):
            if cycle := visit(target, [*trail, module]):
                return cycle
        done.add(module)
        return []

    for module in sorted(graph):
        if cycle := visit(module, []):
            return cycle
    return []


def write_package(folder: Path, files: dict[str, str]) -> Path:
    root = folder / "atac2rna"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_modules_import_only_from_above() -> None:
    faults = broken_rules(import_graph(PACKAGE))
    assert not faults, "\n".join(faults)


def test_no_import_cycles() -> None:
    cycle = find_cycle(import_graph(PACKAGE))
    assert not cycle, " -> ".join(cycle)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("peaks.py", "from atac2rna.atlas import Atlas", "peaks imports atlas, which stands below it"),
        ("peaks.py", "def f():\n    import atac2rna.atlas", "peaks imports atlas, which stands below it"),
        ("formats/bed.py", "from ..atlas import Atlas", "formats.bed imports atlas, which stands below it"),
        ("formats/bed.py", "from .. import atlas", "formats.bed imports atlas, which stands below it"),
        ("formats/__init__.py", "from ..atlas import Atlas", "formats imports atlas, which stands below it"),
        ("formats/bed.py", "from atac2rna.intervals import f", "formats.bed imports intervals, which formats may not"),
        ("features.py", "from atac2rna import atlas", "features imports atlas, which features may not know"),
        ("helpers.py", "", "helpers: has no place in ORDER"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    files = {"__init__.py": "", "atlas.py": "class Atlas: ...", "intervals.py": "", "formats/__init__.py": ""}
    root = write_package(tmp_path, files | {name: text})
    (fault,) = broken_rules(import_graph(root))
    assert fault.startswith(complaint)


def test_imports_from_above_and_within_a_package_pass(tmp_path: Path) -> None:
    root = write_package(
        tmp_path,
        {
            "__init__.py": "from atac2rna.atlas import Atlas\n__version__ = '1'",
            "errors.py": "",
            "atlas.py": "import numpy\nfrom atac2rna import __version__, errors",
            "models/__init__.py": "",
            "models/base.py": "from atac2rna.atlas import Atlas",
            "models/ridge.py": "from .base import Model\nfrom atac2rna.models import base",
        },
    )
    graph = import_graph(root)
    assert graph["models.ridge"] == {"models.base"}
    assert graph["atlas"] == {"errors"}
    assert broken_rules(graph) == []
    assert find_cycle(graph) == []


def test_a_cycle_is_found(tmp_path: Path) -> None:
    root = write_package(
        tmp_path,
        {"models/__init__.py": "", "models/a.py": "from .b import x", "models/b.py": "from atac2rna.models.a import y"},
    )
    assert find_cycle(import_graph(root)) == ["models.a", "models.b", "models.a"]


@pytest.mark.skipif(not (PACKAGE / "cli" / "main.py").exists(), reason="atac2rna.cli.main is not written yet")
@pytest.mark.parametrize("arguments", [None, ["--help"]], ids=["import", "help"])
def test_the_command_line_answers_without_heavy_imports(arguments: list[str] | None) -> None:
    program = f"""
import sys
from atac2rna.cli.main import run
if {arguments!r} is not None:
    sys.argv = ["atac2rna", *{arguments!r}]
    try:
        run()
    except SystemExit as end:
        if end.code:
            raise
loaded = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"imported on the way to the command line: {{loaded}}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
