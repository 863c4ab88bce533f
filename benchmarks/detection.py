"""How well is generated video found, on what, and where not? ``python benchmarks/detection.py CLIPS``

CLIPS holds ``matched/`` and ``native/``, each with a ``manifest.csv`` (file, label, generator, real_source,
source_repo) and the clips that it names. Every comparison is made by a model that was fitted without the source and
without the generator that are compared (`praxino.detection.protocol`). What is measured is kept in
``runs/detection``: a second run takes minutes. ``--train`` trains the networks that this needs first (four of 12
minutes each, two cores); ``--ship`` writes the fusion of all clips into the package.
"""

import functools
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rivals import clips as store

from praxino.detection import fusion
from praxino.detection.evidence import FAMILIES
from praxino.detection.fusion import Fusion, Samples
from praxino.detection.protocol import Outcome, leave_out, real_floor

Array = NDArray[np.float64]
RUNS = Path("runs/detection")
NAIVE = (
    "temporal/pixels224.bend", "temporal/pixels224.roughness", "temporal/pixels224.unevenness",
    "temporal/pixels224.step",
    "temporal/detail.fixed", "temporal/detail.kept", "temporal/flow.speed", "temporal/flow.unexplained",
    "temporal/noise.fixed", "frequency/radial.slope", "frequency/radial.8", "frequency/radial.10",
    "frequency/radial.diagonal", "frequency/wavelet.diagonal0", "latent/smooth.flat", "latent/steps.follow_1",
    "patches/view.step_4", "patches/view.step_8", "frequency/bytes.later_to_first",
)  # fmt: skip
"""Nineteen measures that come to mind first."""


@dataclass(frozen=True, eq=False)
class Set:
    """The clips of one manifest and their measures on each way."""

    clips: list[store.Clip]
    names: tuple[str, ...]
    ways: dict[str, Array]

    @property
    def made(self) -> Array:
        return np.array([clip.made for clip in self.clips], np.float64)

    @property
    def groups(self) -> NDArray[np.str_]:
        return np.array([clip.group for clip in self.clips])

    def samples(self, *ways: str) -> Samples:
        found = np.concatenate([self.ways[way] for way in ways])
        return Samples(found, np.tile(self.made, len(ways)), np.tile(self.groups, len(ways)))


def measure(folder: Path, ways: list[str], networks: Path) -> Set:
    clips = store.manifest(folder)
    found: dict[str, Array] = {}
    names: tuple[str, ...] = ()
    networked = functools.partial(store.networked, networks=networks)
    for way in ways:
        started = time.perf_counter()
        plain = store.measured(clips, way, RUNS / "cache", store.plain, "plain-1")
        asked = store.measured(clips, way, RUNS / "cache", networked, f"networks-{stamp(networks)}")
        rows = [a | b for a, b in zip(plain, asked, strict=True)]
        names = tuple(rows[0])
        found[way] = np.array([[row[name] for name in names] for row in rows])
        print(f"# measured {folder.name}, {way}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return Set(clips, names, found)


def stamp(networks: Path) -> str:
    return "-".join(
        str((networks / f"part-{i}/forensic/model.safetensors").stat().st_mtime_ns) for i in range(store.FOLDS)
    )


RIDGE = 20.0


def rule(samples: Samples, names: tuple[str, ...] = ()) -> Fusion:
    """The detector's own way of fitting."""
    return fusion.fit(samples, names or [""] * samples.measures.shape[1], RIDGE)


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    name: str
    outcome: Outcome
    floor: float

    def __str__(self) -> str:
        low, high = self.outcome.interval()
        of = self.outcome
        return (
            f"{self.name:<34} {of.auc:.3f} [{low:.2f}, {high:.2f}]  {self.floor:>5.2f}  {of.found_at(0.01):>5.2f}  "
            f"{of.found_at(0.05):>5.2f}  {of.brier:.3f}  {of.calibration_error:.3f}"
        )


HEAD = f"{'':<34} {'AUC':<5} {'95%':<14} {'floor':>5}  {'@1%':>5}  {'@5%':>5}  {'Brier':<5}  {'ECE':<5}"


def row(name: str, of: Set, columns: NDArray[np.intp] | None = None, measures: Array | None = None) -> Row:
    """A method that sees some of the measures, or others, judged by the protocol on clips in their own state."""
    x = measures if measures is not None else of.ways["none"][:, columns]
    samples = Samples(x, of.made, of.groups)
    outcome = leave_out(samples, [x], of.made, of.groups, rule)[0]
    floor = float(np.mean(real_floor(x[of.made == 0], of.groups[of.made == 0])))
    return Row(name, outcome, floor)


def methods(of: Set) -> list[Row]:
    """Baselines, each family alone, each left out, and all: every line by the same protocol and the same fit."""
    family = np.array([name.split("/")[0] for name in of.names])
    every = np.arange(len(of.names))
    picked = lambda wanted: np.array([i for i, name in enumerate(of.names) if wanted(name)])  # noqa: E731
    jobs: list[tuple[str, NDArray[np.intp]]] = [
        ("19 naive measures", picked(lambda name: name in NAIVE)),
        ("spectra of motion vectors", picked(lambda name: "/vectors." in name)),
        ("second-order differences", picked(lambda name: name.endswith(("roughness", "roughness_unevenness")))),
        ("the network", picked(lambda name: "/network." in name)),
    ]
    jobs += [(f"{name} alone", every[family == name]) for name in FAMILIES]
    jobs += [(f"without {name}", every[family != name]) for name in FAMILIES]
    jobs += [("without the network", picked(lambda name: "/network." not in name)), ("all", every)]
    about = np.array([clip.about for clip in of.clips])
    rows = [row("metadata only (the floor)", of, measures=about)]
    for name, columns in jobs:
        rows.append(row(name, of, columns))
        print(f"# {rows[-1]}", file=sys.stderr, flush=True)
    return rows


def both(matched: Set, native: Set) -> Samples:
    """What the shipped fusion is fitted on: every clip twice, as matched and as it was found."""
    a, b = matched.samples("none"), native.samples("none")
    joined = (np.concatenate(pair) for pair in ((a.measures, b.measures), (a.made, b.made), (a.groups, b.groups)))
    return Samples(*joined)
