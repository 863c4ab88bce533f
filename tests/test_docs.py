"""README and docs: every link leads somewhere, every file of the tree that they name is there."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    for anchor in re.findall(r"\]\((?:[\w./-]*)#([\w-]+)\)", text):
        assert re.fullmatch(r"[a-z0-9-]+", anchor), anchor


NAMED = r"`((?:src|tests|benchmarks|docs|examples)/[\w./-]+\.\w+|\w+/[\w./-]+\.py)`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page):
    for path in re.findall(NAMED, page.read_text()):
        assert (ROOT / path).exists() or (ROOT / "src" / "praxino" / path).exists(), path


def test_the_api_is_what_the_docstrings_say():
    """``python docs/api.py`` writes it anew."""
    spec = importlib.util.spec_from_file_location("api", ROOT / "docs" / "api.py")
    api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(api)
    assert (ROOT / "docs" / "api.md").read_text() == api.document()


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text()
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    assert f"version: {version}" in text
