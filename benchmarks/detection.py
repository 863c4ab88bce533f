"""How well is generated video found, on what, and where not? ``python benchmarks/detection.py
CLIPS``

CLIPS holds ``matched/`` and ``native/``, each with a ``manifest.csv`` (file, label, generator,
real_source, source_repo) and the clips that it names. Every comparison is made by a model that was
fitted without the source and without the generator that are compared
(`praxino.detection.protocol`). What is measured is kept in ``runs/detection``: a second run takes
minutes, with OPENBLAS_NUM_THREADS=1 in the environment a third of them. ``--train`` trains the
networks that this needs first (four of 15 minutes each, two cores); ``--ship`` writes the fusion of
all clips into the package.
"""

import argparse
import functools
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rivals import clips as store

import praxino
from praxino import recipes
from praxino.data import real_clips
from praxino.data.degrade import WAYS
from praxino.data.diorama import compose, render
from praxino.data.diorama.caption import caption
from praxino.detection import fusion
from praxino.detection.detector import Examination, bundled_detector, examine
from praxino.detection.evidence import FAMILIES
from praxino.detection.fusion import ConditionResult, Detector, Fusion, Samples, sigmoid
from praxino.detection.protocol import ProtocolResult, leave_out, real_floor, uncalibrated
from praxino.detection.weights import DETECTOR, read_forensic
from praxino.storage.files import write_text
from praxino.storage.weights import checkpoint
from praxino.training import loop
from praxino.training.forensic import ForensicStage

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support import planted  # films with something impossible in them

Array = NDArray[np.float64]
RUNS = Path("runs/detection")
SHIPPED = "part-2"
"""The network that ships: of the four, the one whose answers lie nearest to the mean of all."""
NAIVE = (
    "temporal/pixels224.bend",
    "temporal/pixels224.roughness",
    "temporal/pixels224.unevenness",
    "temporal/pixels224.step",
    "temporal/detail.fixed",
    "temporal/detail.kept",
    "temporal/flow.speed",
    "temporal/flow.unexplained",
    "temporal/noise.fixed",
    "frequency/radial.slope",
    "frequency/radial.8",
    "frequency/radial.10",
    "frequency/radial.diagonal",
    "frequency/wavelet.diagonal0",
    "latent/smooth.flat",
    "latent/steps.follow_1",
    "patches/view.step_4",
    "patches/view.step_8",
    "frequency/bytes.later_to_first",
)
"""Nineteen measures that come to mind first."""


@dataclass(frozen=True, eq=False)
class Set:
    """The clips of one manifest and their measures on each way."""

    clips: list[store.Clip]
    names: tuple[str, ...]
    ways: dict[str, Array]
    thin: dict[str, NDArray[np.bool_]]
    """Clips that get no verdict, since there is too little of them."""

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
    trained = all((networks / f"part-{part}" / "forensic").exists() for part in range(store.FOLDS))
    found: dict[str, Array] = {}
    thin: dict[str, NDArray[np.bool_]] = {}
    names: tuple[str, ...] = ()
    networked = functools.partial(store.networked, networks=networks)
    tag = functools.partial(store.network_of, networks=networks)
    for way in ways:
        started = time.perf_counter()
        plain = store.measured(clips, way, RUNS / "cache", store.plain, store.measures_of)
        asked = store.measured(clips, way, RUNS / "cache", networked, tag) if trained else []
        rows = [a | b for a, b in zip(plain, asked, strict=True)] if trained else plain
        names = tuple(rows[0])
        found[way] = np.array([[row[name] for name in names] for row in rows])
        thin[way] = store.thin(clips, way, RUNS / "cache")
        print(
            f"# measured {folder.name}, {way}: {time.perf_counter() - started:.0f} s",
            file=sys.stderr,
        )
    return Set(clips, names, found, thin)


RIDGE = 20.0
HEAD = (
    f"{'':<34} {'AUC':<5} {'95%':<12}  {'floor':>9}  {'@1%':>5}  {'@5%':>5}  {'Brier':<5}  "
    f"{'ECE':<5}"
)


def rule(samples: Samples) -> Fusion:
    """The detector's own way of fitting."""
    return fusion.fit(samples, [""] * samples.measures.shape[1], RIDGE)


def line(name: str, of: ProtocolResult, floors: list[float] | None) -> str:
    low, high = of.interval()
    beside = f"{'-':>9}" if floors is None else f"{np.mean(floors):4.2f}±{np.std(floors):4.2f}"
    found = (
        f"{of.found_at(0.01):5.2f}  {of.found_at(0.05):5.2f}  {of.brier:.3f}  "
        f"{of.calibration_error:.3f}"
    )
    return f"{name:<34} {of.auc:.3f} [{low:.2f}, {high:.2f}]  {beside}  {found}"


def judged(name: str, x: Array, made: Array, groups: NDArray[np.str_]) -> str:
    """One method on clips in their own state: the protocol, and the floor by the same protocol on
    real clips alone.
    """
    outcome = leave_out(Samples(x, made, groups), [x], made, groups, rule)[0]
    return line(name, outcome, real_floor(x[made == 0], groups[made == 0]))


def methods(of: Set) -> dict[str, Array]:
    """name -> (N, D): baselines, each family alone, each left out, and all."""
    x, names = of.ways["none"], np.array(of.names)
    family = np.array([name.split("/")[0] for name in names])
    network = np.array(["/network." in name or "/again." in name for name in names])
    rough = np.array(
        [
            name.startswith("temporal/") and ".roughness" in name and "flow." not in name
            for name in names
        ]
    )
    found = {
        "metadata alone (to be beaten)": np.array([clip.about for clip in of.clips]),
        "19 naive measures": x[:, np.isin(names, NAIVE)],
        "spectra of motion vectors": x[:, np.array(["/vectors." in name for name in names])],
        "second-order differences": x[:, rough],
    }
    if network.any():
        found |= {"the network": x[:, network], "all but the network": x[:, ~network]}
    found |= {f"{each} alone": x[:, family == each] for each in FAMILIES}
    found |= {f"all but {each}": x[:, family != each] for each in FAMILIES}
    return found | {"all": x}


def compared(of: Set) -> None:
    jobs = [(name, x, of.generated, of.groups) for name, x in methods(of).items()]
    print(HEAD)
    with ProcessPoolExecutor() as pool:
        for said in pool.map(judged, *zip(*jobs, strict=True)):
            print(said, flush=True)


KINDS = {"small": ("scale 0.5", "crf 28, scale 0.5"), "slow": ("half rate",)}
"""Ways that make clips small or slow: what those kinds are fitted on, with native clips that went
the first one.
"""
ASKED = {"scale 0.25": "small"}
"""Ways that are judged by the fit of a kind, which was not fitted on them."""
NATIVE = ["none", "scale 0.5", "half rate"]


def shipped(matched: Set, native: Set) -> dict[str, ProtocolResult]:
    """The fits that ship, judged on the matched clips on each way, and on native ones; each way by
    the fit of its kind.
    """
    kind = {way: name for name, ways in KINDS.items() for way in ways} | ASKED
    found: dict[str, ProtocolResult] = {}
    for name, samples in kinds(matched, native).items():
        tests = {
            way: found for way, found in matched.ways.items() if kind.get(way, "usual") == name
        }
        if name == "usual":
            tests["native"] = native.ways["none"]
        judged = leave_out(samples, list(tests.values()), matched.generated, matched.groups, rule)
        found |= dict(zip(tests, judged, strict=True))
    return {way: found[way] for way in (*matched.ways, "native")}


def kinds(matched: Set, native: Set) -> dict[str, Samples]:
    """What the fit of each kind is fitted on: every clip as matched and as it was found, brought to
    that kind.
    """
    found = {"usual": joined(matched.samples("none"), native.samples("none"))}
    return found | {
        kind: joined(matched.samples(*ways), native.samples(ways[0]))
        for kind, ways in KINDS.items()
    }


def joined(a: Samples, b: Samples) -> Samples:
    pairs = ((a.measures, b.measures), (a.generated, b.generated), (a.groups, b.groups))
    return Samples(*(np.concatenate(pair) for pair in pairs))


def fitted(matched: Set, native: Set, outcomes: dict[str, ProtocolResult]) -> Detector:
    """What ships, fitted on all clips, each kind with the table of its calibration."""
    shown = {"usual": "none", "small": "scale 0.5", "slow": "half rate"}
    made = {
        kind: fusion.fit(of, matched.names, RIDGE)
        .rounded()
        .model_copy(update={"table": outcomes[shown[kind]].table()})
        for kind, of in kinds(matched, native).items()
    }
    thin = matched.thin | {"native": native.thin["none"]}
    rows = tuple(condition(way, of, made["usual"], thin[way]) for way, of in outcomes.items())
    return Detector(**made, conditions=rows, fitted=time.strftime("%Y-%m-%d"))


def condition(
    way: str, of: ProtocolResult, model: Fusion, thin: NDArray[np.bool_]
) -> ConditionResult:
    """Share of clips with a verdict, and share of these that are right; both classes counted
    alike.
    """
    chance = sigmoid(of.logits)
    definite = ((chance <= model.low) | (chance >= model.high)) & ~thin
    right = (chance >= model.high) == (of.generated == 1)
    share = float(np.mean([definite[of.generated == made].mean() for made in (0, 1)]))
    parts = [right[definite & (of.generated == made)] for made in (0, 1)]
    known = all(len(part) for part in parts)
    return ConditionResult(
        name=way,
        auc=of.auc,
        definite=share,
        right=float(np.mean([part.mean() for part in parts])) if known else None,
    )


def pages_out(of: Set) -> str:
    """The strictest way: with a generator, all clips that its page published are left out."""
    pages = np.array([clip.page for clip in of.clips])
    # a page may have published both
    groups = np.where(np.isin(pages, pages[of.generated == 1]), pages, of.groups)
    x = of.ways["none"]
    return line(
        "all, whole pages left out",
        leave_out(Samples(x, of.generated, groups), [x], of.generated, groups, rule)[0],
        None,
    )


def mixed_floor(of: Set) -> float:
    """Real sources told from each other when each is in both parts: how well sources are known by
    heart.
    """
    real = of.generated == 0
    x, groups = of.ways["none"][real], of.groups[real]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(10):
        played = np.isin(groups, rng.permutation(np.unique(groups))[::2]).astype(np.float64)
        part = rng.integers(0, 5, len(x))
        logits = np.zeros(len(x))
        for k in range(5):
            model = uncalibrated(Samples(x[part != k], played[part != k], groups[part != k]))
            logits[part == k] = model.logits(x[part == k])
        found.append((logits[played == 1][:, None] > logits[played == 0]).mean())
    return float(np.mean(found))


def own_films(count: int = 24) -> str:
    """Films of the bundled_detector model against true renderings of the diorama, by the detector
    as it is shipped.
    """
    model = praxino.load("diorama")
    rows = {}
    with tempfile.TemporaryDirectory() as home:
        for made in (False, True):
            chances = []
            for index in range(count):
                path = Path(home) / f"{made}{index}.mp4"
                scene = compose(1234, index, frames=17, part="all")
                sentence = caption(scene, 1234, index).sentence
                film = (
                    model.generate(sentence, seed=index)
                    if made
                    else praxino.Video(render(scene, 64, 64), 8.0)
                )
                film.save(path)
                chances.append(examine(path))
            rows[made] = chances
    chance = {made: [_chance(each) for each in of] for made, of in rows.items()}
    auc = np.mean([[a > b for b in chance[False]] for a in chance[True]])
    again = {
        m: [each.evidence[0][3].measures["again.fine"] for each in of] for m, of in rows.items()
    }
    own = np.mean([[a < b for b in again[False]] for a in again[True]])
    means = {made: float(np.mean(each)) for made, each in chance.items()}
    return (
        f"{count} films, {count} renderings, 64x64 (too small for a verdict): AUC {auc:.2f}, mean "
        f"answer "
        f"{means[True]:.2f} and {means[False]:.2f}; reconstruction error of our autoencoder "
        f"alone: AUC {own:.2f}"
    )


def _chance(of: Examination) -> float:
    """What the fusion says where the report says nothing, since the film is too small."""
    fitted = bundled_detector().small
    rows = np.array([[fusion.row(each)[name] for name in fitted.names] for each in of.evidence])
    return float(sigmoid(fitted.logits(rows.mean(0, keepdims=True)))[0])


def physics_table(clips: Path, count: int = 40) -> list[str]:
    """What `things` claims of true renderings, of renderings with something impossible planted, and
    of real clips.
    """
    rows = []
    for kind in (None, "even", *planted.KINDS):
        films = planted.films(kind, count)
        said = [planted.claims(*film) for film in films]
        right = sum(kind in each for each in said)
        rows.append(
            f"{kind or 'nothing':<10} {len(films):>5}  {right:>5}  "
            f"{sum(bool(each) for each in said):>5}"
        )
    for made in (False, True):
        chosen = [clip for clip in store.manifest(clips / "native") if clip.made == made]
        said = [
            {kind for view in store.seen(clip, "none") for kind in planted.of(view)}
            for clip in chosen
        ]
        name = "generated" if made else "real"
        rows.append(f"{name:<10} {len(chosen):>5}  {'-':>5}  {sum(bool(each) for each in said):>5}")
    return rows


def train(clips: Path, networks: Path) -> None:
    """A network for each part of the sources, which never saw that part."""
    known = [clip for clip in store.manifest(clips / "native") if not clip.made]
    for part in range(store.FOLDS):
        target = networks / f"part-{part}"
        if (target / "forensic").exists():
            continue
        chosen = [clip for clip in known if clip.part != part]
        config = recipes.recipe("detector", ["loop.sample_every=0"])
        films = [(real_clips.clip(clip.path), clip.group) for clip in chosen]
        films = [(film, group) for film, group in films if len(film) >= config.stage.frames]
        stage = ForensicStage(
            config.stage, [film for film, _ in films], [group for _, group in films]
        )
        run = RUNS / f"run-{target.name}"
        for report in loop.train(stage, config.loop, config.optimizer, run, resume=True):
            if report.step % 100 == 0:
                print(
                    f"# {target.name}: step {report.step}, loss {report.loss:.3f}",
                    file=sys.stderr,
                    flush=True,
                )
        shutil.copytree(run / "final", target, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="?")
    parser.add_argument("--networks", type=Path, default=RUNS / "networks")
    parser.add_argument(
        "--train", action="store_true", help="train the networks that are missing first"
    )
    parser.add_argument(
        "--ship", action="store_true", help="write network and fusion into the package"
    )
    parser.add_argument("--only", choices=["tables", "shipped", "own", "physics"], help="one part")
    asked = parser.parse_args()
    if asked.clips is None:
        print(
            "name a folder of clips: python benchmarks/detection.py CLIPS (see the first lines of "
            "this file)"
        )
        return
    if asked.train:
        train(asked.clips, asked.networks)
    if asked.only in (None, "tables", "shipped"):
        tables(asked.clips, asked.networks, asked.ship, asked.only != "shipped")
    if asked.only in (None, "own"):
        print("\nown films\n" + own_films())
    if asked.only in (None, "physics"):
        print(f"\n{'planted':<10} {'films':>5}  {'found':>5}  {'any':>5}")
        print("\n".join(physics_table(asked.clips)))


def by_network(of: Set) -> list[str]:
    """Mean answers of each part's network, of real and of generated clips: how much it matters
    which one ships.
    """
    names = [index for index, name in enumerate(of.names) if name == "latent/network.mean"]
    part = np.array([clip.part for clip in of.clips])
    said = []
    for each in range(store.FOLDS if names else 0):
        values = of.ways["none"][:, names[0]]
        real, made = (values[(part == each) & (of.generated == m)].mean() for m in (0, 1))
        said.append(f"part-{each} real {real:.2f}, generated {made:.2f}")
    return said


def tables(clips: Path, networks: Path, ship: bool, methods_too: bool) -> None:
    ways = list(WAYS)
    matched, native = (
        measure(clips / "matched", ways, networks),
        measure(clips / "native", NATIVE, networks),
    )
    if [clip.group for clip in matched.clips] != [clip.group for clip in native.clips]:
        raise SystemExit("the two manifests must name the same clips in the same order")
    print(
        f"fitted on all but one source and one generator; {len(matched.clips)} clips, "
        f"{len(matched.names)} measures"
    )
    for name, of in (("matched", matched), ("native", native)) if methods_too else ():
        print(f"\n{name}")
        compared(of)
        print(pages_out(of))
        print(f"real against real, sources mixed: {mixed_floor(of):.2f}")
    outcomes = shipped(matched, native)
    made = fitted(matched, native, outcomes)
    print("\nas shipped, on each way\n" + HEAD)
    for row, of in zip(made.conditions, outcomes.values(), strict=True):
        print(
            f"{line(row.name, of, None)}  verdicts {row.definite:.2f}, right {row.right or 0:.2f}"
        )
    print("\nby network: " + "; ".join(by_network(matched)))
    print(
        "\nby group, matched: "
        + ", ".join(f"{k} {v:.2f}" for k, v in outcomes["none"].by_group().items())
    )
    for each in made.usual.table:
        print(
            f"answers {each.low:.1f} to {each.high:.1f}: {each.clips} clips, {each.generated} "
            f"generated"
        )
    if ship:
        write_text(DETECTOR / "fusion.json", made.model_dump_json() + "\n")
        if (networks / SHIPPED / "forensic").exists():
            network = read_forensic(networks / SHIPPED)
            checkpoint.save(DETECTOR / "forensic", network.config, network.state_dict())


if __name__ == "__main__":
    main()
