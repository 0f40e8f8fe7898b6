"""The rules of the house that a machine can hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "atac2rna"

MODULE_LINES = 500
FUNCTION_LINES = 60
FUNCTION_LINES_NEVER = 100
README_LINES = 150

# Functions over FUNCTION_LINES that were looked at hard and stay: "module.py:Class.function" and why.
LONG_FUNCTIONS: dict[str, str] = {}

# A path from the root of a disk or from a home folder; "https://host/data" and "genes/bins" are none.
ABSOLUTE_PATH = re.compile(
    r"(?<![\w./:~>-])(?:/(?:Users|bin|data|etc|home|mnt|opt|root|scratch|srv|tmp|usr|var|work)(?:/|\b)|~/|[A-Z]:\\)"
)
OUTSIDE_PATH = re.compile(r"(?<![\w.])\.\./")

MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else REPOSITORY).as_posix()


def parse(text: str) -> ast.Module:
    return ast.parse(text)


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Give the qualified name and the number of lines of each function, decorators not counted."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, (node.end_lineno or node.lineno) - node.lineno + 1
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def caught_names(handler: ast.ExceptHandler) -> set[str]:
    """Name what an except clause catches; "" stands for everything."""
    if handler.type is None:
        return {""}
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(kind).rpartition(".")[2] for kind in kinds}


def lapses(tree: ast.Module, *, may_print: bool) -> list[str]:
    """Tell which statements go against the rules, with their lines."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.append(f"line {node.lineno}: assert; raise an error that says what to do")
        elif isinstance(node, ast.ExceptHandler) and caught_names(node) & {"", "Exception", "BaseException"}:
            found.append(f"line {node.lineno}: except catches everything; name the errors")
        elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            found.append(f"line {node.lineno}: star import; name what is imported")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            if not may_print:
                found.append(f"line {node.lineno}: print; only the command line speaks")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ABSOLUTE_PATH.search(node.value):
            found.append(f"line {node.lineno}: absolute path in {node.value[:60]!r}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_keeps_the_rules(path: Path) -> None:
    tree = parse(path.read_text(encoding="utf-8"))
    found = lapses(tree, may_print=path.is_relative_to(PACKAGE / "cli"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", MODULES + TESTS, ids=relative)
def test_module_is_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MODULE_LINES, f"{lines} lines; divide it by its nouns"


def test_functions_are_short() -> None:
    lengths = {
        f"{relative(path)}:{name}": lines
        for path in MODULES
        for name, lines in functions(parse(path.read_text(encoding="utf-8")))
    }
    never = {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_NEVER}
    assert not never, f"over {FUNCTION_LINES_NEVER} lines, divide: {never}"
    long = {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES and name not in LONG_FUNCTIONS}
    assert not long, f"over {FUNCTION_LINES} lines, divide or give the reason in LONG_FUNCTIONS: {long}"
    stale = [name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= FUNCTION_LINES]
    assert not stale, f"no longer long, take out of LONG_FUNCTIONS: {stale}"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("assert x", "assert"),
        ("try:\n    f()\nexcept:\n    pass", "except"),
        ("try:\n    f()\nexcept (KeyError, Exception):\n    pass", "except"),
        ("try:\n    f()\nexcept builtins.BaseException as e:\n    raise", "except"),
        ("from numpy import *", "star import"),
        ("print(1)", "print"),
        ("x = '/home/me/peaks.bed'", "absolute path"),
        ("x = 'reads ~/peaks.bed'", "absolute path"),
        ("x = 'C:\\\\data'", "absolute path"),
        ("f'/tmp/{x}'", "absolute path"),
    ],
)
def test_a_lapse_is_found(text: str, rule: str) -> None:
    (lapse,) = lapses(parse(text), may_print=False)
    assert rule in lapse


@pytest.mark.parametrize(
    "text", ["'https://host.org/data/x'", "'a/data/b'", "try:\n    f()\nexcept OSError:\n    pass"]
)
def test_what_is_allowed_passes(text: str) -> None:
    assert lapses(parse(text), may_print=False) == []


def test_function_lengths_are_counted_to_the_last_line() -> None:
    tree = parse(
        "class A:\n    @property\n    def f(self):\n        def g():\n            return 1\n        return g\n"
    )
    assert dict(functions(tree)) == {"A.f": 4, "A.f.g": 2}


def test_readme_is_short_and_stays_in_the_repository() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= README_LINES
    outside = [line for line in text.splitlines() if ABSOLUTE_PATH.search(line) or OUTSIDE_PATH.search(line)]
    assert not outside, outside


@pytest.mark.parametrize(
    "path", sorted({*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")}), ids=lambda path: path.name
)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    text = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [target for target in targets if target and not (path.parent / target).exists()]
    assert not missing, missing
