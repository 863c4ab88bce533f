"""A curation as one HTML file: what each rule took, with pictures, and what others would keep."""

import html
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from praxino.data.curation.decide import MEASURES, RULES, Clip, Rules, counts, kept_at, quantiles
from praxino.storage.files import write_text

EXAMPLES: Final = 10
"""Pictures beside each rule."""
BARS: Final = 40
"""Bars of a histogram."""
MAX_DRAWN: Final = 50_000
"""Clips of which other thresholds are tried, at most: a sample of more."""
THRESHOLDS: Final[dict[str, tuple[float, ...]]] = {
    "least_seconds": (0.5, 1, 2, 3, 5),
    "least_side": (64, 128, 240, 360, 480, 720),
    "frozen": (0.05, 0.1, 0.25, 0.5, 1),
    "darkest": (0, 16, 32, 48),
    "brightest": (208, 224, 240, 255),
    "contrast": (0, 8, 16, 32),
    "logo": (0.005, 0.01, 0.03, 0.1, 1),
    "text": (0.02, 0.05, 0.1, 0.2, 1),
    "generated": (0.5, 0.8, 0.9, 0.95, 0.99, 1),
    "motion_low": (0, 0.05, 0.1, 0.25),
    "motion_high": (0, 0.02, 0.05, 0.1),
    "sharpness_low": (0, 0.05, 0.1, 0.25),
    "duplicate_bits": (0, 1, 7, 10, 14, 18),
}
"""Values of rules that are tried."""
MEASURED: Final = ("text", "generated")
"""Rules that look at what is measured only where that is asked for."""
STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--bar:#2a7}
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2em;border-bottom:1px solid var(--line)}
.row{display:flex;flex-wrap:wrap;gap:.4rem;margin:.4rem 0 1rem}.row figure{margin:0;max-width:112px}
figcaption{font-size:.7em;opacity:.75;overflow-wrap:anywhere}img{display:block;border-radius:3px}
table{border-collapse:collapse}td,th{padding:.1rem .8rem .1rem 0;text-align:right}
td:first-child,th:first-child{text-align:left}svg{display:block;max-width:100%}
.graphs{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1rem}
rect{fill:var(--bar)}
"""


def write_report(
    path: Path, clips: Sequence[Clip], rules: Rules, problems: Mapping[str, int], title: str
) -> None:
    """The report of all clips that were decided about.

    Parameters
    ----------
    problems : mapping
        What could not be read or found, and how often.
    """
    chance = random.Random(0)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{_text(title)}</title><style>{STYLE}</style>",
        "<meta name=viewport content='width=device-width'>",
        f"<h1>{_text(title)}</h1>",
        _summary(clips, problems),
    ]
    total = counts(clips)
    for name in ("", *RULES):
        if name in total:
            own = [clip for clip in clips if clip.reason == name]
            heading = f"{name}: {total[name]:,} left out" if name else f"{total[name]:,} kept"
            examples = own if len(own) <= EXAMPLES else chance.sample(own, EXAMPLES)
            rule = _rule(rules, name) if name else ""
            parts.append(f"<h2>{_text(heading)}</h2>{rule}{_pictures(examples)}")
    parts += ["<h2>Measures of all clips</h2><div class=graphs>", *_graphs(clips), "</div>"]
    sample = clips if len(clips) <= MAX_DRAWN else chance.sample(clips, MAX_DRAWN)
    parts.append(_others(sample, rules, len(clips) / max(1, len(sample))))
    write_text(path, "".join(parts))


def _text(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode())


def _summary(clips: Sequence[Clip], problems: Mapping[str, int]) -> str:
    kept = [clip for clip in clips if not clip.reason]
    hours = sum(clip.seconds for clip in kept) / 3600
    sources = len({clip.source.name for clip in kept})
    lines = [
        f"<p>{len(kept):,} of {len(clips):,} clips are kept: {hours:.2f} hours of {sources:,} "
        "films.</p>"
    ]
    if problems:
        rows = [f"<tr><td>{_text(name)}<td>{count:,}" for name, count in problems.items()]
        lines.append(f"<table><tr><th>Not used<th>{''.join(rows)}</table>")
    return "".join(lines)


def _rule(rules: Rules, name: str) -> str:
    field = Rules.model_fields[name]
    return f"<p><code>{name}={getattr(rules, name):g}</code> {_text(field.description or '')}</p>"


def _pictures(clips: Sequence[Clip]) -> str:
    figures = []
    for clip in clips:
        caption = f"{clip.source.name} {clip.start:.1f}-{clip.end:.1f} s"
        same = f", as {clip.same_as}" if clip.same_as else ""
        figures.append(
            f"<figure><img alt='' width=112 src='data:image/jpeg;base64,{clip.shot.thumbnail}'>"
            f"<figcaption>{_text(caption + same)}</figcaption></figure>"
        )
    return f"<div class=row>{''.join(figures)}</div>"


def _graphs(clips: Sequence[Clip]) -> list[str]:
    graphs = []
    for name, value in MEASURES.items():
        values = [number for clip in clips if (number := value(clip)) is not None]
        if values:
            graphs.append(_histogram(name, values))
    return graphs


def _histogram(name: str, values: Sequence[float]) -> str:
    low, high = np.quantile(values, [0.0, 0.99])
    heights, edges = np.histogram(np.clip(values, low, high), BARS, (low, max(high, low + 1e-9)))
    most = max(1, int(heights.max()))
    bars = "".join(
        f"<rect x='{5 * place}' y='{60 - 60 * height / most:.1f}' width='4' "
        f"height='{60 * height / most:.1f}'/>"
        for place, height in enumerate(heights.tolist())
    )
    middle = quantiles(values, 5)
    words = ", ".join(f"{number:.4g}" for number in middle)
    return (
        f"<figure><svg viewBox='0 0 {5 * BARS} 60' role=img aria-label='{name}'>{bars}</svg>"
        f"<figcaption>{name}: {edges[0]:.4g} to {edges[-1]:.4g}; quarters at {words}</figcaption>"
        "</figure>"
    )


def _others(clips: Sequence[Clip], rules: Rules, factor: float) -> str:
    rows = []
    caps = {
        name: math.ceil(getattr(rules, name) / max(1.0, factor))
        for name in ("per_source", "per_folder")
    }
    sampled = rules.model_copy(update=caps)  # of a sample, as much less
    for name, values in THRESHOLDS.items():
        if name in MEASURED and all(MEASURES[name](clip) is None for clip in clips):
            continue
        if name == "duplicate_bits" and factor > 1:
            continue  # most of what is there twice is once in a sample
        kept = kept_at(clips, sampled, name, values)
        cells = "".join(
            f"<td>{value:g}: {round(factor * count):,}"
            for value, count in zip(values, kept, strict=True)
        )
        rows.append(f"<tr><td><code>{name}</code>{cells}")
    return (
        "<h2>What other values would keep</h2><p>One rule changed, the others as they are, "
        "before duplicates are left out; <code>duplicate_bits</code> with them.</p>"
        f"<table>{''.join(rows)}</table>"
    )
