"""What a suite's rows say: one tree of numbers, one table, one page to look at."""

import html
import json
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from praxino.evaluation.frechet import caveats, distances
from praxino.evaluation.suite import Row
from praxino.storage.files import write_text

TITLES: Final = {
    "train": "pairs that training knew",
    "held-out": "held-out pairs",
    "rare": "rare pairs",
}


class Mean(TypedDict):
    """Mean of one score: ``error`` is its standard error (0 for a single film), ``films`` how many
    had the score.
    """

    mean: float
    error: float
    films: int


def means(rows: Sequence[Row]) -> dict[str, dict[str, Mean]]:
    """score -> source -> mean, in the order in which scores first appear."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for source, scores in row["scores"].items():
            for name, value in scores.items():
                values[name][source].append(value)
    return {
        name: {source: _mean(numbers) for source, numbers in sources.items()}
        for name, sources in values.items()
    }


def _mean(values: list[float]) -> Mean:
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
    return Mean(mean=float(np.mean(values)), error=error, films=len(values))


def far(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """measure -> source -> distance of its films' features from those of true renderings of other
    such scenes.

    Seeds by themselves, and their mean: a distance says more of more films, and the truth is there
    only once.
    """
    distances_of: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for features in _features(rows):
        others = features.pop("others", [])
        for source, films in features.items():
            if len(others) > 1 and len(films) > 1:
                for name, value in distances(others, films).items():
                    distances_of[name][source].append(value)
    return {
        name: {source: float(np.mean(numbers)) for source, numbers in of.items()}
        for name, of in distances_of.items()
    }


def _features(rows: Sequence[Row]) -> list[dict[str, list[NDArray[np.float64]]]]:
    """For each seed, the first one first: source -> (1, D) of each film that has them."""
    seeds: dict[int, dict[str, list[NDArray[np.float64]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        features = seeds[row.get("seed", 0)]
        for source, numbers in row.get("features", {}).items():
            features[source].append(np.array([numbers]))
    return list(seeds.values())


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Everything a suite found, as a tree of plain values, fit for JSON."""
    parts = {
        part: [row for row in rows if row["part"] == part]
        for part in dict.fromkeys(row["part"] for row in rows)
    }
    features = _features(rows)[0].values()
    return {
        "films": len(rows),
        "parts": {part: len(members) for part, members in parts.items()},
        "seconds a film": float(np.median([row.get("seconds", 0.0) for row in rows])),
        "scores": {part: means(members) for part, members in parts.items()},
        "distances": far(rows),
        "notes": list(caveats(min(map(len, features)), next(iter(features))[0].shape[1]))
        if features
        else [],
    }


def table(report: dict[str, Any]) -> str:
    """A `summary` as text: a block for each part of the suite, one score a line, one source a
    column.
    """
    blocks = []
    for part, scores in report["scores"].items():
        cells = {
            name: {s: _cell(by_source) for s, by_source in sources.items()}
            for name, sources in scores.items()
        }
        blocks.append(_block(f"{TITLES.get(part, part)} ({report['parts'][part]})", cells))
    if report["distances"]:
        cells = {
            name: {s: _figure(v) for s, v in by_source.items()}
            for name, by_source in report["distances"].items()
        }
        blocks.append(_block("distance to true renderings", cells))
    blocks.append(f"{report['seconds a film']:.2f} seconds a film (median)")
    return "\n\n".join([*blocks, *noted(report)])


def noted(report: dict[str, Any]) -> list[str]:
    """The notes of a tree of numbers, in lines no wider than a table."""
    return [textwrap.fill(f"note: {note}", 100) for note in report["notes"]]


def _cell(of: Mean) -> str:
    error = f"±{of['error']:.2f}" if of["films"] > 1 else ""
    return f"{_figure(of['mean'])} {error} (n {of['films']})"


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1e}"


def _block(title: str, cells: dict[str, dict[str, str]]) -> str:
    sources = list(dict.fromkeys(source for cell in cells.values() for source in cell))
    wide = max(len(title), *map(len, cells))
    lines = [" ".join([f"{title:<{wide}}", *(f"{source:>22}" for source in sources)])]
    for name, cell in cells.items():
        lines.append(
            " ".join([f"{name:<{wide}}", *(f"{cell.get(source, '-'):>22}" for source in sources)])
        )
    return "\n".join(lines)


def write(folder: Path, rows: Sequence[Row], report: dict[str, Any], title: str) -> None:
    """``index.html`` and ``scores.json`` into the folder where the rows' strips are; ``found`` is
    their `summary`.
    """
    write_text(folder / "index.html", page(rows, report, title))
    write_text(folder / "scores.json", json.dumps(report, indent=1) + "\n")


def page(rows: Sequence[Row], report: dict[str, Any], title: str) -> str:
    """An HTML page: the table, then every prompt with the strips (files beside the page) of its
    sources.
    """
    parts = []
    for row in rows:
        parts.append(
            f"<h3>{html.escape(row['prompt'])}</h3><p>{TITLES.get(row['part'], row['part'])}</p>"
        )
        for source, scores in row["scores"].items():
            caption = f"{source}: " + ", ".join(
                f"{name} {value:.2f}" for name, value in scores.items()
            )
            parts.append(figure(row.get("strips", {}).get(source, ""), caption, source))
    return document(title, table(report), parts)


def document(title: str, text: str, parts: Sequence[str]) -> str:
    """A page of its own: a title, a table as text, and what follows it."""
    return "\n".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>",
            "<meta name=viewport "
            "content='width=device-width'><style>:root{color-scheme:light dark}",
            "body{font:14px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}",
            "pre{overflow:auto}",
            "img{width:100%;image-rendering:pixelated}",
            "figure{margin:0 0 .5em}figcaption{opacity:.7}</style>",
            f"<h1>{html.escape(title)}</h1><pre>{html.escape(text)}</pre>",
            *parts,
            "",
        ]
    )


def figure(picture: str, caption: str, name: str = "") -> str:
    """One picture, a file beside the page, with what is said of it; ``name`` is what it is, for
    those who hear it.
    """
    text, alt = html.escape(caption), html.escape(name or caption)
    image = f'<img src="{html.escape(picture)}" alt="{alt}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"
