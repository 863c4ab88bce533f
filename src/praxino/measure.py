"""What `praxino evaluate` does: a model judged on a suite, or two folders of films compared."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from praxino.errors import InputError
from praxino.evaluation import report, sets, suite
from praxino.evaluation.features import extractor
from praxino.evaluation.judge import Judge
from praxino.generation import pipeline
from praxino.generation.pipeline import choose_device, find
from praxino.storage import bundle
from praxino.storage.checkpoint import CONFIG, digest

Bar = Callable[[str, int], AbstractContextManager[Callable[..., None]]]
"""(what, total) -> a context whose value is told how much is done."""
Say = Callable[[str], None]


def judged(
    name: str, asked: tuple[str, int, int], reader: Path | None, output: Path | None, processes: int, device: str,
    bar: Bar, say: Say,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Scores of a model on a suite (its name, sentences, films of each), and the table to print."""
    folder = output or Path("runs") / f"evaluate-{_called(Path(name))}-{asked[0]}"
    chosen = suite.cases(*asked)
    model, eye = find(name), reader or bundle.READER
    network = bundle.read(model)  # what is damaged or does not fit is said before anything is written
    size = network.config
    for case in chosen:
        network.text.check(case.prompt(case.scene(size.frames, size.width / size.height, size.fps)))
    bundle.read_reader(eye)
    judge = Judge(functools.partial(_maker, model, str(choose_device(device))), model, eye, folder)
    judged = suite.Judged(suite=asked[0], model=digest(model), reader=digest(eye), measures=suite.measures())
    suite.begin(folder, judged)
    rows = {}
    try:
        with bar(asked[0], len(chosen)) as advance:
            for row in suite.run(chosen, judge, folder, processes):
                rows[row["name"]] = row
                advance(len(rows))
    except KeyboardInterrupt:
        say(f"stopped with {len(rows)} of {len(chosen)} films judged: the same command goes on from there")
        raise
    ordered = [rows[case.name] for case in chosen]
    found = report.summary(ordered)
    report.write(folder, ordered, found, f"{name}: suite {asked[0]}, {len(chosen)} films")
    say(f"wrote {folder / 'index.html'}, {folder / 'scores.json'}")
    return found, report.table(found)


def _called(model: Path) -> str:
    """A name for a model's folder; what a run ends in is called after the run."""
    whole = model.resolve()
    return f"{whole.parent.name}-{whole.name}" if whole.name == "final" else whole.name


def _maker(model: Path, device: str) -> Callable[[str, int], Any]:
    """Loads a model; what it returns makes the film of a prompt and a seed. A suite calls it once in every process."""
    loaded = pipeline.load(model, device)
    return lambda prompt, seed: loaded.generate(prompt, seed=seed)


def _check_apart(output: Path, *folders: Path) -> None:
    """A comparison must neither measure its own pictures the next time nor write over a suite's."""
    if output.is_file():
        raise InputError(f"{output} is a file", "-o names a folder")
    if (output / CONFIG).exists():
        raise InputError(f"{output} holds a suite or a model", "-o names another folder")
    here = output.resolve()
    for folder in folders:
        there = folder.resolve()
        if here == there or here in there.parents or there in here.parents:
            raise InputError(f"-o {output} and {folder} lie one in the other", "-o names a folder beside them")


def compared(
    real: Path, fake: Path, features: str, weights: Path | None, output: Path | None, bar: Bar, say: Say
) -> tuple[dict[str, Any], str]:
    """How far apart two folders of films are, and the table to print."""
    network = extractor(features, weights)
    if output:
        _check_apart(output, real, fake)
    collections = []
    for folder in (real, fake):
        with bar(folder.name, 1) as advance:
            tell = lambda done, of, advance=advance: advance(done, total=of)  # noqa: E731
            collections.append(sets.collect(folder, network, tell, output / "films" if output else None))
    found = sets.compare(*collections)
    if output:
        sets.write(output, found, *collections)
        say(f"wrote {output / 'index.html'}, {output / 'scores.json'}")
    return found, sets.table(found)
