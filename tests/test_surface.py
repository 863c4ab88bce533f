"""The public names, budgets of size, and what importing costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import praxino

SOURCES = sorted(Path(praxino.__file__).parent.rglob("*.py"))
DRAWERS = {"utils", "util", "helpers", "common", "misc", "base"}


def test_public_names_are_there():
    assert len(praxino.__all__) <= 16
    for name in praxino.__all__:
        assert getattr(praxino, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = praxino.nothing


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import praxino"],
        ["-m", "praxino", "--help"],
        ["-m", "praxino", "generate", "--help"],
    ],
)
def test_help_imports_nothing_heavy(arguments):
    """-X importtime names every module imported, on standard error."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True
    )
    imported = {
        line.rsplit("|", 1)[1].strip().split(".")[0]
        for line in run.stderr.splitlines()
        if "|" in line
    }
    assert not imported & {"torch", "cv2", "av", "numpy", "diffusers"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 500
    assert path.stem not in DRAWERS
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name}"


def test_every_module_says_what_it_is():
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_bundled_models_are_small():
    bundled = Path(praxino.__file__).parent / "bundled"
    size = {
        folder.name: sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        for folder in bundled.iterdir()
    }
    beside = {
        name: sum(p.stat().st_size for p in (bundled / "diorama" / name).glob("*"))
        for name in ("refiner", "student")
    }
    assert size["diorama"] - sum(beside.values()) <= 30_000_000
    assert max(beside.values()) <= 15_000_000
    assert size["diorama-reader"] <= 10_000_000
    assert size["detector"] <= 8_000_000


LOADED = """
import sys, praxino.generation.pipeline
for name, module in sorted(sys.modules.items()):
    if name.split('.')[0] == 'praxino':
        print(module.__file__)
"""


def test_a_prompt_imports_little():
    """What `benchmarks/closure.py` prints: no training world, no layouts, no formats of others
    before they are used.
    """
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    files = [Path(line) for line in run.stdout.split()]
    assert sum(path.name != "__init__.py" for path in files) <= 42
    assert sum(len(path.read_text().splitlines()) for path in files) <= 6700
    assert not [path for path in files if {"diorama", "wan", "training"} & set(path.parts)]
    assert not {"latent_reader.py", "reader.py", "forensic.py"} & {path.name for path in files}


ROOMS = [path for path in SOURCES if path.name == "__init__.py" and path.parent.name != "praxino"]


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.parent.name)
def test_a_room_names_its_files(room):
    text = ast.get_docstring(ast.parse(room.read_text())) or ""
    inside = {path.stem for path in room.parent.glob("*.py")} - {"__init__"}
    inside |= {path.parent.name for path in room.parent.glob("*/__init__.py")}
    named = set(re.findall(r"`(\w+)`", text))
    assert named >= inside, f"{room} says nothing of {sorted(inside - named)}"


def test_the_readme_lists_the_rooms():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    table = text[text.index("## Source layout") : text.index("Good places to begin")]
    root = Path(praxino.__file__).parent
    names = {path.name + "/" for path in root.iterdir() if (path / "__init__.py").exists()}
    names |= {path.name for path in root.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert (
        set(re.findall(r"`([\w.]+/?)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M)))) == names
    )
