"""An examination as one HTML file: no scripts, no requests, every picture inside."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.detection import plots
from praxino.detection.detector import Examination
from praxino.detection.evidence import SCORED
from praxino.detection.report import FamilyFinding, Report, percentile_text
from praxino.detection.tells import tells
from praxino.storage.files import write_text

Film = NDArray[np.uint8]
WORDS: Final = {
    "likely generated": "This was probably generated.",
    "likely camera": "This probably came from a camera.",
    "inconclusive": "This cannot be told.",
}
TITLES: Final = {
    "temporal": "How it goes on in time",
    "physics": "Momentum and light",
    "frequency": "Spectra",
    "latent": "Traces of a decoder",
    "patches": "Grids and repetition",
}
CAPTIONS: Final = {
    "temporal": "points that were followed; red ones are lost",
    "physics": "points that were followed; pink: what moves by itself, yellow: towards its shadow",
    "frequency": "mean spectrum, coarse structure in the middle",
    "latent": "orange: detail that looks decoded to a network, which has no part in the answer",
    "patches": "orange: places that have a twin far away",
}
BLOCKS: Final = "orange: where blocks of 8 pixels show, in the file's own pixels"
FOOLS: Final = (
    "Strong compression, small copies and screen recordings wipe traces out; answers then drift "
    "to the middle.",
    "Stabilised, slowed, denoised, upscaled or beautified camera footage glides and is smooth as "
    "generated clips are.",
    "Animation, games and computer graphics never saw a sensor and were no part of what this was "
    "fitted on.",
    "A generated clip that is filmed off a screen, or gets noise and shake added, can pass as a "
    "camera's.",
    "Generators newer than those it was fitted on may leave other traces.",
    "Only a square from the middle, and only the named seconds, were looked at: a small edit "
    "elsewhere is not seen.",
)
STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--camera:#2a7;--made:#d60}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{margin:0 0 .2em}h2{margin-top:2em;border-bottom:1px solid var(--line)}
img{max-width:100%;border-radius:4px;display:block}figure{margin:0}figcaption{font-size:.85em;opacity:.75}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.6rem}
.family{display:grid;grid-template-columns:14rem 1fr;gap:1rem;margin:1.2rem 0}
@media(max-width:40rem){.family{grid-template-columns:1fr}}
.scale{position:relative;height:1.6rem;border-radius:4px;margin:1rem 0 1.8rem;
background:linear-gradient(90deg,var(--camera),#999 35% 65%,var(--made))}
.scale b{position:absolute;top:-.3rem;bottom:-.3rem;width:4px;
background:currentColor;border-radius:2px}
.scale span{position:absolute;top:1.8rem;font-size:.8em}
.part{display:inline-block;height:.7em;border-radius:2px}
table{border-collapse:collapse}td{padding:.1em 1em .1em 0;vertical-align:top;overflow-wrap:anywhere}
td:first-child{white-space:nowrap}
"""


def write_page(target: Path, of: Examination) -> None:
    """Write the page of one examination; the file appears whole or not at all."""
    write_text(target, page(of))


def page(of: Examination) -> str:
    """The page's text."""
    report = of.report
    name = html.escape(Path(report.path).name)
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}: {report.verdict}</title>",
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>",
        f"<h1>{WORDS[report.verdict]}</h1>",
        _answer(report),
        _file(report),
    ]
    if of.evidence:
        parts += [_strip(of), "<h2>What each family saw</h2>", _sum(report)]
        weight = max(abs(finding.log_odds or 0.0) for finding in report.families) or 1.0
        parts += [_family(of, index, weight) for index in range(len(report.families))]
        parts += [_grid(of)]
        parts += [_eye(of)]
    parts += ["<h2>What could fool it</h2><ul>", *(f"<li>{line}</li>" for line in FOOLS), "</ul>"]
    return "\n".join([*parts, ""])


def _sum(report: Report) -> str:
    if report.base is None:
        return ""
    return (
        f"<p>A camera clip that is average in all starts at {report.base:+.2f} (above 0: "
        f"generated); the families' "
        "parts are added. Each sums many measures, the sentence beside it speaks of one.</p>"
    )


def _answer(report: Report) -> str:
    lines = []
    if report.says:
        lines.append(
            f"<p>Of itself it says, which is no part of the answer: {html.escape(report.says)}.</p>"
        )
    if report.probability is not None:
        at = 100 * report.probability
        lines.append(
            f"<p>Probability of having been generated, if half of all clips were: "
            f"<b>{at:.0f}%</b>.</p>"
            f"<div class=scale role=img aria-label='{at:.0f} of 100'><b "
            f"style='left:calc({at:.1f}% - 2px)'></b>"
            "<span style='left:0'>camera</span><span style='right:0'>generated</span></div>"
        )
    if report.reasons:
        lines.append("<p>No verdict, because: " + html.escape("; ".join(report.reasons)) + ".</p>")
    if report.reliability:
        lines.append(f"<p>How reliable: {html.escape(report.reliability)}.</p>")
    return "\n".join(lines)


def _file(report: Report) -> str:
    looked = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in report.windows)
    rows = {
        "file": report.path,
        "picture": (
            f"{report.width}x{report.height}, {report.fps:.4g} frames/s, {report.seconds:.1f} s, "
            f"{report.codec}"
        ),
        "looked at": looked,
        "odd": ", ".join(report.oddities) or "nothing",
    }
    cells = "".join(f"<tr><td>{key}<td>{html.escape(value)}" for key, value in rows.items())
    return f"<table>{cells}</table>"


def _strip(of: Examination) -> str:
    """The frames that the families name, each once, with what nothing explains between it and the
    next; of the window in which the family that counts most saw most.
    """
    window = _window(of)
    view, evidence = of.views[window], of.evidence[window]
    frames = sorted({min(f, len(view.frames) - 2) for part in evidence for f in part.frames[:2]})[
        :6
    ]
    figures = []
    for frame in frames:
        families = (
            ", ".join(part.family for part in evidence if frame in part.frames) or "next to last"
        )
        both = np.concatenate([plots.large(view.frames[frame]), plots.residual(view, frame)])
        figures.append(
            _figure(
                both,
                f"{view.times[frame]:.2f} s ({families})",
                f"frame at {view.times[frame]:.2f} seconds",
            )
        )
    return (
        "<h2>The frames that matter</h2><p>Below each, in orange, what no motion explains between "
        "it and the next.</p>"
        f"<div class=strip>{''.join(figures)}</div>"
    )


def _window(of: Examination) -> int:
    return max(of.report.families, key=lambda finding: abs(finding.log_odds or 0.0)).window


def _family(of: Examination, index: int, weight: float) -> str:
    finding = of.report.families[index]
    view, evidence = of.views[finding.window], of.evidence[finding.window][index]
    drawn = _figure(
        plots.picture(view, evidence), CAPTIONS[finding.family], f"{finding.family} evidence"
    )
    if finding.family == "patches":
        drawn = f"<div>{drawn}{_figure(plots.blocks(view), BLOCKS, 'blocks')}</div>"
    notes = "".join(
        f"<li>{html.escape(note)} (a place to look at; it does not move the answer)</li>"
        for note in finding.notes
    )
    curve = (
        _curve(evidence.curve, evidence.curve_name)
        if evidence.curve is not None and len(evidence.curve) > 1
        else ""
    )
    return (
        f"<section "
        f"class=family>{drawn}<div><h3>{TITLES[finding.family]}</h3>"
        f"<p>{_counted(finding, weight)}</p>"
        f"<p>{html.escape(f'{finding.sentence} {percentile_text(finding)}')}</p>"
        f"<ul>{notes}</ul>{curve}</div></section>"
    )


def _counted(finding: FamilyFinding, weight: float) -> str:
    if finding.family not in SCORED:
        return "To look at: it has no part in the answer."
    if finding.log_odds is None:
        return "Not counted: there is too little for an answer."
    side = "generated" if finding.log_odds > 0 else "camera"
    colour = "var(--made)" if finding.log_odds > 0 else "var(--camera)"
    wide = 12 * abs(finding.log_odds) / weight
    bar = f"<span class=part style='width:{wide:.1f}rem;background:{colour}'></span>"
    return f"{bar} {abs(finding.log_odds):.2f} towards {side}"


def _curve(values: Sequence[float] | NDArray[np.floating], name: str) -> str:
    """A line in SVG."""
    points = np.asarray(values, np.float64)
    low, high = float(points.min()), float(points.max())
    y = 55 - 50 * (points - low) / (high - low or 1)
    x = np.linspace(5, 295, len(points))
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f"<svg viewBox='0 0 300 60' width=300 role=img aria-label='{html.escape(name)}'>"
        f"<polyline points='{path}' fill=none stroke=currentColor stroke-width=1.5 /></svg>"
        f"<figcaption>{html.escape(name)}: {low:.2f} to {high:.2f}</figcaption>"
    )


def _grid(of: Examination) -> str:
    """What beats in time and lies on a grid, with the numbers behind it."""
    grid, traces = of.report.grid, of.traces
    if traces is None:
        return ""
    none = (
        f"No beat was looked for: {grid.unjudged}."
        if grid.unjudged
        else "No beat of four frames was found, as in most clips of either kind."
    )
    sentences = (*grid.sentences, *([] if grid.beat else [none]))
    drawn = _bars(traces.bend, grid.beat, grid.beat_first) if len(traces.bend) else ""
    text = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    return (
        f"<section class=family><div>{drawn}</div><div><h3>Beats and grids of decoders</h3>"
        f"<p>To look at: it has no part in the answer.</p>{text}</div></section>"
    )


def _bars(bends: NDArray[np.floating], period: int | None, first: int | None) -> str:
    """Change of the change at each frame, in SVG; the frames of the beat stand out."""
    high = 55 * bends / (np.percentile(bends, 98) + 1e-9)
    wide = 290 / len(bends)
    bars = ""
    for frame, tall in enumerate(np.minimum(high, 55), start=1):
        beats = period is not None and first is not None and (frame - first) % period == 0
        bars += (
            f"<rect x={5 + wide * (frame - 1):.1f} y={58 - tall:.1f} width={0.8 * wide:.1f} "
            f"height={tall:.1f} fill='{'var(--made)' if beats else '#8888'}' />"
        )
    name = "change of the change at each frame" + (", the beat in orange" if period else "")
    return (
        f"<svg viewBox='0 0 300 60' width='100%' role=img aria-label='{name}'>{bars}</svg>"
        f"<figcaption>{name}</figcaption>"
    )


def _eye(of: Examination) -> str:
    hints = tells(of.views[_window(of)])
    items = "".join(
        f"<section class=family>{_figure(tell.picture, tell.where, tell.name)}"
        f"<div><h3>{tell.name}</h3><p>{tell.look}</p></div></section>"
        for tell in hints
    )
    note = (
        "Every clip has a place where each of these would show most, camera clips too: "
        "a mark is where to look, not what was found."
    )
    return f"<h2>The eye: what to look for yourself</h2><p>{note}</p>{items}"


def _figure(pixels: Film, caption: str, name: str) -> str:
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 82]
    )
    assert done
    source = base64.b64encode(data.tobytes()).decode()
    return (
        f"<figure><img alt='{html.escape(name)}' src='data:image/jpeg;base64,{source}'>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
