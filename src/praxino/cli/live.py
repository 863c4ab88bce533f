"""``praxino live``: a film that goes on, and shows what standard input says."""

import itertools
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from praxino.cli.generate import (
    Compile,
    Guidance,
    ModelName,
    NoCredentials,
    NoWatermark,
    Sampler,
    SeedOption,
    Sentence,
    load_model,
)
from praxino.cli.options import Device, Dtype, Quiet, Size, Steps, parse_size
from praxino.cli.terminal import Progress
from praxino.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from praxino.generation.live import Chunk
    from praxino.generation.turns import Turns
    from praxino.request import Request

logger = logging.getLogger("praxino.provenance")

STANDARD_OUTPUT: Final = Path("-")
MAX_LINE_BYTES: Final = 16_384
"""What is kept of a line: far more than a sentence may have."""
ENDING: Final = ".mp4"
Target = Annotated[
    Path, typer.Option("-o", "--output", help="A .mp4, or - for standard output, to a player.")
]
Length = Annotated[
    float | None,
    typer.Option(min=0.1, help="Seconds of film.  [default: until standard input ends]"),
]


class Lines:
    """The newest line that somebody types, read beside all else; older ones that were not taken are
    forgotten.

    Parameters
    ----------
    descriptor : int, optional
        Of an open file; read directly, since a reader with a buffer cannot be left behind when the
        process ends. None: nobody types.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._line: str | None = None
        self._changed = threading.Condition()
        self.ended = descriptor is None
        if descriptor is not None:
            work = threading.Thread(target=self._run, args=(descriptor,), daemon=True, name="lines")
            work.start()

    @property
    def waiting(self) -> bool:
        """Whether there is a line that was not taken."""
        return self._line is not None

    def take(self, wait: bool = False) -> str | None:
        """The newest line since the last one that was taken, if there is one; with ``wait``, when
        there is one, or the file ends.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._line is not None or self.ended)
            line, self._line = self._line, None
            return line

    def _run(self, descriptor: int) -> None:
        try:
            self._read(descriptor)
        except OSError:  # a folder, or a terminal that went away: nobody types any more
            pass
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def _read(self, descriptor: int) -> None:
        line = b""
        while True:
            try:
                piece = os.read(descriptor, MAX_LINE_BYTES)
            except BlockingIOError:  # another program has set it so
                select.select([descriptor], [], [])
                continue
            *whole, rest = piece.split(b"\n")
            for end in whole:
                self._keep((line + end)[:MAX_LINE_BYTES])
                line = b""
            line = (line + rest)[:MAX_LINE_BYTES]
            if not piece:
                self._keep(line)
                return

    def _keep(self, line: bytes) -> None:
        if text := line.decode(errors="replace").strip():
            with self._changed:
                self._line = text
                self._changed.notify_all()


def live(
    sentence: Sentence = None,
    output: Target = Path("live.mp4"),
    seconds: Length = None,
    model: ModelName = None,
    steps: Steps = None,
    guidance: Guidance = None,
    sampler: Sampler = None,
    seed: SeedOption = None,
    size: Size = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compile_: Compile = False,
    no_watermark: NoWatermark = False,
    no_credentials: NoCredentials = False,
    quiet: Quiet = False,
) -> None:
    """Make a film that goes on, and shows what the newest line of standard input says; Ctrl-C ends
    it after the present second.
    """
    from praxino.generation import live as endless
    from praxino.generation.turns import Turns
    from praxino.provenance.policy import Provenance

    progress, piped = Progress(quiet), output == STANDARD_OUTPUT
    _require_target(output)
    provenance = Provenance(not no_watermark, not (no_credentials or piped))
    provenance.require_ready(*(() if piped else (output,)))
    pipeline = load_model(model, {}, None, (device, dtype, compile_, None))
    width, height = parse_size(size)
    settings: dict[str, Any] = {
        "steps": steps,
        "guidance": guidance,
        "sampler": sampler,
        "seed": seed,
        "width": width,
        "height": height,
    }
    lines = Lines(_standard_input())
    first = sentence or lines.take(wait=True)
    if first is None:
        raise InputError("no sentence", 'echo "a dog runs" | praxino live')
    request = endless.require_windows(pipeline, pipeline.request(first, **settings))
    turns = Turns(pipeline, request, lambda: lines.take() or "")
    with _interruptible() as interrupted:
        requests = _until(turns, lines, seconds, interrupted)
        chunks = _watched(endless.live(pipeline, requests, provenance), turns, progress)
        if piped:
            _to_pipe(chunks, progress, provenance.watermark)
            return
        endless.save(chunks, output, provenance)
    stopped = "stopped: " if interrupted.is_set() else ""
    progress.say(f"{stopped}wrote {output}: {turns.frames} frames, seed {request.seed}")


def _standard_input() -> int | None:
    """The descriptor of standard input, if there is one."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError):
        return None


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C; the second one is as always."""
    interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        interrupted.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _until(
    turns: "Turns", lines: Lines, seconds: float | None, interrupted: threading.Event
) -> Iterator["Request"]:
    """Requests for so many seconds of film, or until nobody types any more, but for one window at
    least.
    """
    source, limit = iter(turns), None if seconds is None else seconds * turns.request.fps
    while limit is None or turns.frames < limit:
        over = limit is None and lines.ended and not lines.waiting
        if turns.frames and (over or interrupted.is_set()):
            return
        yield next(source)


def _require_target(output: Path) -> None:
    """Raise `InputError` or `MediaError` if nothing can be written there."""
    from praxino.storage.files import require_writable

    if output == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            raise InputError("a film in a terminal", "praxino live -o - | mpv -, or -o FILE.mp4")
    elif output.suffix.lower() != ENDING:
        raise UnknownNameError("file ending", output.suffix or output.name, [ENDING])
    else:
        require_writable(output)


def _watched(chunks: Iterator["Chunk"], turns: "Turns", progress: Progress) -> Iterator["Chunk"]:
    """Chunks; what they turn to is said, and how many frames there are is counted."""
    prompt, fps = turns.request.prompt, turns.request.fps
    for chunk in chunks:
        if chunk.record["prompt"] != prompt:
            prompt = chunk.record["prompt"]
            progress.say(f"{chunk.start / fps:.1f} s: {prompt}")
        turns.frames = chunk.start + len(chunk.frames)
        yield chunk


def _to_pipe(chunks: Iterator["Chunk"], progress: Progress, marked: bool) -> None:
    """Write fragmented MP4 to standard output, until whoever reads it goes away."""
    from praxino.storage.media.fragments import FragmentWriter

    logger.warning(
        "note: %s, and not signed: what leaves bit by bit holds no signature",
        "marked" if marked else "no watermark, as asked",
    )
    out, frames = sys.stdout.buffer, 0
    try:
        first = next(chunks, None)
        if first is None:
            return
        with FragmentWriter(out, first.record["fps"], first.record) as writer:
            for chunk in itertools.chain([first], chunks):
                writer.write(chunk.frames)
                out.flush()
                frames += len(chunk.frames)
        out.flush()
    except BrokenPipeError:
        # Python would try once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        progress.say(f"the reader went away after {frames} frames")
