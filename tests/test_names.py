"""Names and docstrings are those of the field; the lists of exceptions may only shrink."""

import ast
import builtins
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import praxino

ROOT = Path(praxino.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
PARTICIPLES = frozenset(
    [
        "found",
        "told",
        "said",
        "shown",
        "asked",
        "wanted",
        "given",
        "made",
        "known",
        "chosen",
        "seen",
        "whose",
        "who",
        "each",
    ]
)
"""No thing is called by what was done with it."""
KEYS_OF_FILES = {
    ("provenance/c2pa/read.py", "made"),
    ("provenance/watermark/scan.py", "found"),
    ("training/layout.py", "given"),
}
"""Fields that are keys of JSON or of ``config.json``, and so stay; a list that may only shrink."""
SUPERLATIVES = frozenset(
    [
        "MOST",
        "LONGEST",
        "LARGEST",
        "SMALLEST",
        "SLOWEST",
        "FEWEST",
        "LEAST",
        "NEAREST",
        "FARTHEST",
        "NARROWEST",
        "WIDEST",
        "SURE",
        "FAR",
        "SMALL",
        "LARGE",
        "EVERY",
        "OFTEN",
        "SELDOM",
        "PATIENCE",
        "RARELY",
    ]
)
"""A constant says of what it is a bound, and its unit."""
FRAGMENTS = (
    "The same",
    "That of",
    "Those",
    "Of ",
    "And ",
    "As ",
    "One of",
    "That ",
    "Whose",
    "What of",
)
"""A docstring that begins so needs its neighbour to be understood."""
INTERFACES = {
    "detection": {"evidence", "measures"},  # of each family, gathered by `detection.detector`
    "service/api": {"create", "content", "delete"},  # routes, named as in the API
    "storage/weights": {"read", "write"},  # always with the module's name
    "cli": {"run_one", "run_batch"},  # of detect and verify, one shape
}
"""Functions that several modules of a room have by design; a list that may only shrink."""


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def bound(tree: ast.AST) -> Iterator[str]:
    """Names that are given to variables, arguments, functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def texts(tree: ast.AST) -> Iterator[str]:
    """Docstrings of everything, those below constants and fields included."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield node.value.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_docstrings_stand_alone(path):
    tree, file = tree_of(path), str(path.relative_to(ROOT))
    names = set(bound(tree))
    allowed = {name for where, name in KEYS_OF_FILES if where == file}
    assert {name for name in names if name.strip("_") in PARTICIPLES} <= allowed
    assert not names & SUPERLATIVES
    assert not [text for text in texts(tree) if text.startswith(FRAGMENTS)]


def names_of(tree: ast.AST) -> Iterator[str]:
    """Everything that a docstring may refer to: what is defined, imported or an attribute."""
    yield from bound(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).rpartition(".")[2]
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


def test_docstrings_refer_to_what_there_is():
    trees = {path: tree_of(path) for path in SOURCES}
    there = {*vars(builtins), "FakeTensorMode"}
    for path, tree in trees.items():
        there |= {path.stem, path.parent.name, *names_of(tree)}
    for path, tree in trees.items():
        for text in texts(tree):
            for reference in re.findall(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)", text):
                assert reference.rpartition(".")[2] in there, f"{path.name}: {reference}"


def test_a_public_name_is_one_thing_in_a_room():
    rooms = defaultdict(lambda: defaultdict(list))
    for path in SOURCES:
        room = str(path.parent.relative_to(ROOT))
        for node in tree_of(path).body:
            if isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef
            ) and not node.name.startswith("_"):
                rooms[room][node.name].append(path.stem)
    for room, names in rooms.items():
        twice = {
            name: files
            for name, files in names.items()
            if len(files) > 1 and name not in INTERFACES.get(room, ())
        }
        assert not twice, f"{room}: {twice}"
