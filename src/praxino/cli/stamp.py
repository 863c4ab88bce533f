"""``praxino stamp``: a mark and a signature for films and pictures that other programs made; files,
folders, or a folder that is watched.
"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from praxino.cli import batch
from praxino.cli.options import Json, Processes, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError, MediaError, PraxinoError

if TYPE_CHECKING:
    from praxino.provenance.stamp import Stamp

POLL_SECONDS: Final = 1.0
"""Between two looks at a folder that is watched: a file that has not changed meanwhile is whole."""

Options = dict[str, Any]
"""What is declared, and whether it is signed: arguments of `praxino.stamp`."""


def stamp(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Films and pictures, or folders of them.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File for one, folder for many.", show_default=False),
    ] = None,
    model: Annotated[str, typer.Option(help="Name of the model that made them.")] = "",
    prompt: Annotated[str, typer.Option(help="Sentence they were made from: its hash.")] = "",
    state_prompt: Annotated[
        bool, typer.Option("--state-prompt", help="State the sentence itself, too.")
    ] = False,
    by: Annotated[str, typer.Option(help="Who declares it.")] = "",
    edited: Annotated[
        bool, typer.Option("--edited", help="Only parts of them were generated.")
    ] = False,
    credentials: Annotated[bool, typer.Option(help="Sign them.")] = True,
    watch: Annotated[
        Path | None, typer.Option(help="Stamp what comes into this folder, until Ctrl-C.")
    ] = None,
    json_: Json = False,
    processes: Processes = 0,
    quiet: Quiet = False,
) -> None:
    """Declare that films and pictures of any program were generated: in their pixels, and signed.

    Exit code 1 if a file could not be stamped.
    """
    options = {
        "model": model,
        "prompt": prompt,
        "state_prompt": state_prompt,
        "by": by,
        "edited": edited,
        "credentials": credentials,
    }
    if output is None:
        raise InputError("no place for the stamped files", "-o FOLDER, or -o FILE for one")
    _require_keys(credentials)
    progress = Progress(quiet)
    if watch is not None:
        if paths:
            raise InputError("--watch takes no other files", f"praxino stamp {paths[0]} -o ...")
        _watch(watch, output, options, progress)
    if not paths:
        raise InputError("nothing to stamp", "praxino stamp film.mp4 -o stamped.mp4")
    batch.require_there(paths)
    if len(paths) == 1 and not paths[0].is_dir():
        stamped = _stamped(paths[0], _name(paths[0], output), options)
        typer.echo(stamped.model_dump_json(indent=1) if json_ else stamped.sentence)
        return
    answer, text, failed = run_batch(paths, output, options, processes, progress)
    typer.echo(json.dumps(answer, indent=1) if json_ else text)
    if failed:
        raise typer.Exit(1)


def _require_keys(credentials: bool) -> None:
    """Raise `InputError` once, not for every file, if this installation cannot mark or sign."""
    from praxino.provenance.policy import Provenance

    Provenance(credentials=credentials).require_ready()


def _name(path: Path, output: Path) -> Path:
    """Where the stamped copy of one file goes: into a folder, or under the name itself."""
    if not output.is_dir():
        return output
    from praxino.provenance.stamp import ending_for

    ending = ending_for(path)
    return output / (path.name if ending == path.suffix else path.name + ending)


def _stamped(path: Path, target: Path, options: Options) -> "Stamp":
    from praxino.provenance.stamp import stamp as put

    return put(path, target, **options)


def run_batch(
    paths: Sequence[Path],
    output: Path,
    options: Options,
    workers: int,
    progress: Progress,
) -> tuple[list[dict[str, Any]], str, int]:
    """Stamp files, and those in folders, into ``output``, in their subfolders; what came of it as
    plain values and in words, and how many failed.
    """
    from praxino import processes

    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file: many files need a folder", "-o stamped")
    jobs = [(file, _folder(file, root, output), options) for file, root in _files(paths)]
    _require_names_of_their_own(jobs)
    lines: dict[Path, str] = {}
    answer: dict[Path, dict[str, Any]] = {}
    workers = batch.process_count(workers, len(jobs))
    with progress.bar("stamping", len(jobs)) as advance:
        for job, stamped in processes.map_isolated(
            _stamp_in_pool, jobs, workers, _killed, processes.limit_memory, here=False
        ):
            lines[job[0]], answer[job[0]] = _row(job[0], stamped)
            advance(len(lines), description=job[0].name)
    order = sorted(lines)
    outcomes = [answer[path]["outcome"] for path in order]
    text = [*(lines[path] for path in order), batch.tally(outcomes, sorted(set(outcomes)))]
    return [answer[path] for path in order], "\n".join(text), outcomes.count("failed")


def _require_names_of_their_own(jobs: Sequence[tuple[Path, Path, Options]]) -> None:
    """Raise `InputError` if two files would get one name, or share the file of their statements."""
    from praxino.provenance.c2pa.sidecar import WITHOUT_ROOM

    names = dict[Path, Path]()
    for file, folder, _ in jobs:
        beside = file.suffix.lower() in WITHOUT_ROOM
        for name in (folder / file.name, *([folder / f"{file.stem}.c2pa"] if beside else [])):
            if name in names:
                raise InputError(
                    f"{names[name]} and {file} would both become {name}", "stamp them one by one"
                )
            names[name] = file


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each file once, with the folder from which its place in the new one is counted."""
    from praxino.storage.media.folders import media_in

    done = set[Path]()
    for path in paths:
        files = media_in(path, pictures=True) if path.is_dir() else [path]
        for file in files:
            if file.resolve() not in done:
                done.add(file.resolve())
                yield file, path if path.is_dir() else path.parent


def _folder(file: Path, root: Path, output: Path) -> Path:
    return output / file.relative_to(root).parent


def _stamp_in_pool(path: Path, folder: Path, options: Options) -> "Stamp | str":
    """Stamp one file into a folder; what is wrong with it in one line, if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _stamped(path, _name(path, folder), options)
    except PraxinoError as error:
        return " ".join(str(error).split())
    except OSError as error:
        return f"{path}: {error.strerror or error}"


def _killed(path: Path, *_: object) -> str:
    from praxino import processes

    return f"{path}: {processes.KILLED}"


def _row(path: Path, stamped: "Stamp | str") -> tuple[str, dict[str, Any]]:
    if isinstance(stamped, str):
        return stamped, {"path": str(path), "outcome": "failed", "problem": stamped}
    return stamped.sentence, stamped.model_dump()


def _watch(
    folder: Path,
    output: Path,
    options: Options,
    progress: Progress,
) -> None:
    """Stamp every file that comes into a folder once it does not change any more."""
    if not folder.is_dir():
        raise MediaError(f"{folder} is no folder", "mkdir it first")
    output.mkdir(parents=True, exist_ok=True)
    if output.resolve() == folder.resolve() or folder.resolve() in output.resolve().parents:
        raise InputError(f"{output} lies in the folder that is watched", "-o a folder beside it")
    progress.say(f"watching {folder}; Ctrl-C ends it")
    before, done = dict[Path, tuple[int, int]](), dict[Path, tuple[int, int]]()
    while True:
        now = dict(filter(None, map(_state, (file for file, _ in _media(folder)))))
        for file, state in now.items():
            if done.get(file) != state and before.get(file) == state and state[0]:
                done[file] = state
                job = (file, _folder(file, folder, output), options)
                typer.echo(_row(file, _isolated(job))[0])
        before = now
        time.sleep(POLL_SECONDS)


def _state(file: Path) -> tuple[Path, tuple[int, int]] | None:
    """A file with its size and time; None if it is gone again."""
    try:
        about = file.stat()
    except OSError:
        return None
    return file, (about.st_size, about.st_mtime_ns)


def _media(folder: Path) -> list[tuple[Path, Path]]:
    try:
        return list(_files([folder]))
    except PraxinoError:  # nothing has come yet
        return []


def _isolated(job: tuple[Path, Path, Options]) -> "Stamp | str":
    """Stamp in a process of its own, whatever the file does to it."""
    from praxino import processes

    _, result = next(
        iter(
            processes.map_isolated(
                _stamp_in_pool, [job], 1, _killed, processes.limit_memory, here=False
            )
        )
    )
    return result
