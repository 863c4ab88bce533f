"""``praxino stamp``: a mark and a signature for films and pictures that other programs made; files,
folders, or a folder that is watched.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from praxino.cli import batch
from praxino.cli.options import Json, Processes, Quiet
from praxino.cli.terminal import Progress
from praxino.errors import InputError, MediaError, PraxinoError
from praxino.log import printable, quiet_logging

if TYPE_CHECKING:
    from praxino.provenance.stamp import Stamp

POLL_SECONDS: Final = 1.0
"""Between two looks at a folder that is watched."""
SETTLED_POLLS: Final = 4
"""Looks after which a file that did not change counts as whole."""

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

    Exit code 1 if a file could not be stamped; one that carries a mark already is left alone, and
    no error in a folder.
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
    if watch is not None and paths:
        raise InputError("--watch takes no other files", f"praxino stamp {paths[0]} -o ...")
    _require_keys(credentials)
    progress = Progress(quiet)
    if watch is not None:
        _watch(watch, output, options, progress, json_)
    if not paths:
        raise InputError("nothing to stamp", "praxino stamp film.mp4 -o stamped.mp4")
    batch.require_there(paths)
    if len(paths) == 1 and not paths[0].is_dir():
        _one(paths[0], output, options, json_)
        return
    say = (lambda line: None) if json_ else typer.echo
    answer, failed = run_batch(paths, output, options, processes, progress, say)
    if json_:
        typer.echo(json.dumps(answer, indent=1))
    if failed:
        raise typer.Exit(1)


def _one(path: Path, output: Path, options: Options, as_json: bool) -> None:
    """Stamp a single file, and say what came of it."""
    stamped = _stamped(path, _name(path, output), options)
    typer.echo(stamped.model_dump_json(indent=1) if as_json else stamped.sentence)
    if not stamped.out:
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
    say: Callable[[str], None],
) -> tuple[list[dict[str, Any]], int]:
    """Stamp files, and those in folders, into ``output``, in their subfolders; what came of it as
    plain values, and how many failed. ``say`` is called with a line for each as it is done.
    """
    from praxino import processes

    _require_folder(output)
    jobs = [(file, _folder(file, root, output), options) for file, root in _files(paths)]
    names = Names()
    clashes = {file: problem for file, folder, _ in jobs if (problem := names.clash(file, folder))}
    answer: dict[Path, dict[str, Any]] = {}
    for file, problem in clashes.items():
        line, answer[file] = _row(file, problem)
        say(line)
    jobs = [job for job in jobs if job[0] not in clashes]
    workers = batch.process_count(workers, len(jobs))
    with progress.bar("stamping", len(jobs)) as advance:
        for job, stamped in processes.map_isolated(
            _stamp_in_pool, jobs, workers, _killed, processes.limit_memory, here=False
        ):
            line, answer[job[0]] = _row(job[0], stamped)
            say(line)
            advance(len(answer) - len(clashes), description=job[0].name)
    order = sorted(answer)
    outcomes = [answer[path]["outcome"] for path in order]
    say(batch.tally(outcomes, sorted(set(outcomes))))
    return [answer[path] for path in order], outcomes.count("failed")


def _require_folder(output: Path) -> None:
    """Make the folder for what is stamped; raise once if that cannot be."""
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file: many files need a folder", "-o stamped")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"cannot write into {output}: {error.strerror}", "another -o") from None
    from praxino.storage.files import require_writable

    require_writable(output / "film.mp4")


class Names:
    """Names that files of a run get: no two may get one, or share the file of their statements."""

    def __init__(self) -> None:
        self.taken = dict[Path, Path]()

    def clash(self, file: Path, folder: Path) -> str:
        """Take the names of a file's copy; a sentence, if another file has one of them."""
        name = folder / (file.name + _other_ending(file))
        beside = name.with_suffix(".c2pa")
        from praxino.provenance.c2pa.sidecar import needs_beside

        paths = (name, beside) if needs_beside(name) else (name,)
        for path in paths:
            if (other := self.taken.get(path, file)) != file:
                return f"{file}: {path} would be that of {other}, too: stamp them one by one"
        self.taken |= dict.fromkeys(paths, file)
        return ""


def _other_ending(file: Path) -> str:
    """What comes behind the name of a copy that is written in another format, by that name."""
    from praxino.storage.media.encoders import FALLBACK_ENDING, MUXERS
    from praxino.storage.media.formats import IMAGE_ENDINGS

    ending = file.suffix.lower()
    if ending in (".heic", ".heif"):
        return ".jpg"
    return "" if ending in MUXERS or ending in IMAGE_ENDINGS else FALLBACK_ENDING


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
        return f"{error.filename or path}: {error.strerror or error}"
    except Exception as error:  # one file must not end the others
        return f"{path}: it could not be stamped: {type(error).__name__} {error}"[:200]


def _killed(path: Path, *_: object) -> str:
    from praxino import processes

    return f"{path}: {processes.KILLED}"


def _row(path: Path, stamped: "Stamp | str") -> tuple[str, dict[str, Any]]:
    if isinstance(stamped, str):
        answer = {"path": str(path), "outcome": "failed", "problem": stamped}
        return printable(stamped), answer
    return stamped.sentence, stamped.model_dump()


def _watch(
    folder: Path,
    output: Path,
    options: Options,
    progress: Progress,
    as_json: bool,
) -> None:
    """Stamp every file that comes into a folder once it does not change any more; those that were
    stamped before are left alone.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder} is no folder", "mkdir it first")
    _require_folder(output)
    if output.resolve() == folder.resolve() or folder.resolve() in output.resolve().parents:
        raise InputError(f"{output} lies in the folder that is watched", "-o a folder beside it")
    progress.say(f"watching {folder}; Ctrl-C ends it")
    settled, names = dict[Path, tuple[tuple[int, int], int]](), Names()
    while True:
        now = dict(filter(None, map(_state, (file for file, _ in _media(folder)))))
        for file, state in now.items():
            before, polls = settled.get(file, (state, -1))
            settled[file] = (state, polls + 1 if before == state else 0)
            place = _folder(file, folder, output)
            if settled[file][1] != SETTLED_POLLS or not state[0] or _stamped_since(file, place):
                continue
            problem = names.clash(file, place)
            line, answer = _row(file, problem or _isolated((file, place, options)))
            typer.echo(json.dumps(answer) if as_json else line)
        time.sleep(POLL_SECONDS)


def _stamped_since(file: Path, folder: Path) -> bool:
    """Whether a file's copy is there, and newer than it."""
    copy = folder / (file.name + _other_ending(file))
    try:
        return copy.stat().st_mtime_ns >= file.stat().st_mtime_ns
    except OSError:
        return False


def _state(file: Path) -> tuple[Path, tuple[int, int]] | None:
    """A file with its size and time; None if it is gone again."""
    try:
        about = file.stat()
    except OSError:
        return None
    return file, (about.st_size, about.st_mtime_ns)


def _media(folder: Path) -> list[tuple[Path, Path]]:
    try:
        with quiet_logging():  # it would be said at every look
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
