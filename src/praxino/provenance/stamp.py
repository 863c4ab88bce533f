"""A mark and a signature for files of any generator: somebody declares how a film or picture was
made.

A stamp is a declaration, not knowledge: its mark and its statements say so, apart from those of
what Praxino made itself. The law asks providers of generated video for both (EU AI Act, article
50.2).
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from praxino.config import Config
from praxino.errors import InputError, MediaError
from praxino.log import printable
from praxino.provenance import keys
from praxino.provenance.c2pa import manifest, read, sidecar, sign
from praxino.provenance.c2pa.manifest import Declaration
from praxino.provenance.policy import Ingredient
from praxino.provenance.watermark import embed, issued, payload, scan
from praxino.provenance.watermark.scan import Mark
from praxino.storage.files import atomic_file, require_file
from praxino.storage.media import encoders, pictures, transcode
from praxino.storage.media.frames import iter_frames, probe
from praxino.storage.media.info import MediaInfo, VideoFrame

MAX_SIDE_PIXELS: Final = 4096
"""The longer side of a film that is stamped, at most."""
WINDOWS_BEFORE, WINDOWS_AFTER = 2, 1
"""Stretches of a film in which a mark is looked for, before it gets one and afterwards."""
MIN_PSNR: Final = 25.0
"""Decibels below which something went wrong, and no file is written."""
SAME_ENDINGS: Final = {
    ending: group
    for group in ((".jpg", ".jpeg", ".jpe", ".jfif"), (".tif", ".tiff"), (".png", ".apng"))
    for ending in group
}
"""Endings of names of pictures that stand for one format."""
FRAMES_COMPARED: Final = 8
"""How many frames of a moving picture tell how near its copy is."""
WHOLE_FILM: Final = 0.9
"""Part of the frames that a film says it has, below which it was cut."""
HINT_OTHER_NAME: Final = "another name or folder with -o"

Outcome = Literal["stamped", "marked before"]


class Stamp(Config):
    """What came of stamping a file.

    Attributes
    ----------
    path, out : str
        The file, and the stamped one; ``out`` is empty if none was written.
    outcome : str
        "stamped"; "marked before": it carries a mark that can be read here, and is left alone,
        since a second one would destroy both.
    message : str
        48 bits of the mark in hexadecimal.
    psnr : float or None
        Decibels between the luma of both files, the loss of encoding included, at eight frames
        from the first to the 1,025th; None if they are the same, or nothing was written.
    frames : int
        How many were written.
    notes : tuple of str
        What could not be kept.
    """

    path: str
    out: str = ""
    outcome: Outcome
    message: str = ""
    psnr: float | None = None
    frames: int = 0
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        if self.outcome == "marked before":
            return f"{printable(self.path)}: {'; '.join(self.notes)}: left alone"
        loss = "" if self.psnr is None else f", {self.psnr:.1f} dB PSNR"
        count = f"{self.frames} frames" if self.frames > 1 else "picture"
        line = f"{self.out}: {count}, mark {self.message}{loss}"
        return "; ".join((printable(line), *self.notes))


def stamp(
    path: str | Path,
    out: str | Path,
    *,
    model: str = "",
    prompt: str = "",
    by: str = "",
    edited: bool = False,
    state_prompt: bool = False,
    credentials: bool = True,
) -> Stamp:
    """Put a mark into the pixels of a film or picture that another program made, and sign it.

    The source is never touched; ``out`` is written whole or not at all. Sound, times, colours and
    depth stay as they are; so do, as near as can be, codec and quality. Statements that the source
    carries become a parent of the new ones.

    Parameters
    ----------
    out : path
        The new file, in a format that can hold what the source holds (`ending_for`).
    model : str
        Name of the model that made it.
    prompt : str
        The sentence that it was made from, of which a hash is stated; with ``state_prompt`` itself,
        too.
    by : str
        Who declares it.
    edited : bool
        Whether only parts of it were generated.
    credentials : bool
        Sign it.

    Raises
    ------
    MediaError
        If the source cannot be read or changes meanwhile, or ``out`` cannot be written.
    InputError
        If ``out`` is the source, or the chosen key cannot sign.
    """
    declaration = Declaration(
        model=model, prompt=prompt, state_prompt=state_prompt, by=by, edited=edited
    )
    return _stamp(Path(path), Path(out), declaration, credentials)


def _stamp(source: Path, target: Path, declaration: Declaration, credentials: bool) -> Stamp:
    require_file(source)
    if target.exists() and target.samefile(source):
        raise InputError(f"{target} would be written over itself", HINT_OTHER_NAME)
    info = probe(source)
    _require_room(source, info)
    _require_name(source, target, info)
    if credentials:
        sidecar.require_own_sidecar(target)
    mark = scan.mark_of(source, WINDOWS_BEFORE)
    if mark.found:
        return Stamp(path=str(source), outcome="marked before", notes=(_owner(mark),))
    message = _message(declaration.model)
    with atomic_file(target) as fresh:
        frames, notes, psnr = _marked(source, fresh, info, message)
        if psnr is not None and psnr < MIN_PSNR:
            raise MediaError(f"{source}: the stamped copy differs too much ({psnr:.1f} dB)")
        if not credentials:
            sidecar.delete_outdated(target)
        elif finish := _signed(source, fresh, target, declaration, message):
            finish()  # before the file has its name: no unsigned one is left if this fails
    return Stamp(
        path=str(source),
        out=str(target),
        outcome="stamped",
        message=f"{message:012x}",
        psnr=psnr,
        frames=frames,
        notes=tuple(notes),
    )


def stamp_frames(frames: NDArray[np.uint8], model: str = "") -> NDArray[np.uint8]:
    """Put the mark of a stamp into frames (T, H, W, 3) uint8, for pipelines that write their own
    files; the same shape comes back.

    Raises
    ------
    InputError
        If they are no such frames, or have no room for a mark.

    Notes
    -----
    It does not look for a mark that is there already: a second one of the same key destroys both.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise InputError(
            f"frames are {frames.dtype} of shape {frames.shape}: must be uint8 (T, H, W, 3)",
            "(frames * 255).round().astype(np.uint8) of floats from 0 to 1",
        )
    height, width = frames.shape[1:3]
    if not embed.has_room(height, width):
        raise InputError(f"{width}x{height} has no room for a mark", _sizes())
    return embed.mark(frames, _message(model), keys.own_mark_key())


def ending_for(path: str | Path) -> str:
    """The ending that the name of a file's stamped copy needs.

    Raises
    ------
    MediaError
        If it cannot be read.
    """
    source = Path(path)
    require_file(source)
    is_picture = probe(source).codec == "picture"
    return pictures.picture_ending(source) if is_picture else encoders.film_ending(source)


def _require_room(source: Path, info: MediaInfo) -> None:
    if not embed.has_room(info.height, info.width):
        raise MediaError(f"{source}: {info.width}x{info.height} has no room for a mark", _sizes())
    if info.codec != "picture" and max(info.width, info.height) > MAX_SIDE_PIXELS:
        raise MediaError(
            f"{source}: {info.width}x{info.height} is larger than 4K", "reduce it first"
        )


def _require_name(source: Path, target: Path, info: MediaInfo) -> None:
    """Raise `InputError` for a name whose ending cannot hold what is written, or that shares the
    file of its statements with another one.
    """
    ending = target.suffix.lower()
    if info.codec == "picture":
        own = pictures.picture_ending(source).lower()
        fitting: tuple[str, ...] = SAME_ENDINGS.get(own, (own,))
    else:
        fitting = tuple(encoders.MUXERS)
    if ending not in fitting:
        raise InputError(f"{target}: must end in {' '.join(fitting)}", f"{target.stem}{fitting[0]}")
    if sidecar.needs_beside(target):
        for other in sidecar.WITHOUT_ROOM:
            if other != ending and target.with_suffix(other).exists():
                raise InputError(
                    f"{target} and {target.with_suffix(other).name} would share "
                    f"{target.with_suffix(read.SIDECAR_ENDING).name}",
                    HINT_OTHER_NAME,
                )


def _sizes() -> str:
    return (
        f"{embed.MIN_SHORTER_SIDE} pixels or more, one side at most {embed.MAX_ELONGATION} times "
        f"the other"
    )


def _owner(mark: Mark) -> str:
    if mark.own:
        how = "stamped" if mark.stamped else "made"
        return f"{how} by this installation in {mark.month}, mark {mark.message}"
    name = f" {mark.message}" if mark.message else ""
    return f"it carries the mark{name} of another installation"


def _message(model: str) -> int:
    """The message of a stamp now, which this installation remembers."""
    marked = payload.payload(model, "", keys.installation(), payload.STAMPED)
    issued.record_issued(marked.message)
    return marked.message


def _marked(
    source: Path, fresh: Path, info: MediaInfo, message: int
) -> tuple[int, list[str], float | None]:
    """Write the marked file, and read its mark back; how many frames it has, what could not be
    kept, and how near it is to the source, in decibels.
    """
    frames, notes, psnr = _rewritten(source, fresh, info, message)
    mark = scan.mark_of(fresh, WINDOWS_AFTER)
    if mark.message != f"{message:012x}" and info.codec == "picture":
        frames, notes, psnr = _rewritten(source, fresh, info, message, fine=True)
        mark = scan.mark_of(fresh, WINDOWS_AFTER)
        if fresh.suffix.lower() in (".jpg", ".jpeg"):
            notes.append("written finer than it was: its mark would have been lost")
    if not mark.found:
        raise MediaError(
            f"{source}: a mark does not hold in it", "it is too plain, or compressed too hard"
        )
    if mark.message != f"{message:012x}":
        notes.append("its mark can be found, and hardly be read")
    return frames, notes, psnr


def _rewritten(
    source: Path, fresh: Path, info: MediaInfo, message: int, fine: bool = False
) -> tuple[int, list[str], float | None]:
    """Write the marked file: frames, notes and decibels as of `_marked`."""
    if info.codec == "picture":
        key = keys.own_mark_key()
        change = lambda frames: embed.mark(frames, message, key)  # noqa: E731
        picture = pictures.rewrite(source, fresh, change, fine)
        planes = ([_luma(frame.pixels) for frame in _first(path)] for path in (source, fresh))
        return picture.frames, picture.notes, fidelity(*planes)
    marker: embed.StreamMarker | None = None

    def marked(luma: transcode.Plane, step: float) -> transcode.Plane:
        nonlocal marker
        if marker is None:
            marker = embed.StreamMarker(message, keys.own_mark_key(), *luma.shape)
        return transcode.added(luma, marker.change(luma, step))

    film = transcode.transcode(source, fresh, marked)
    notes = [f"{film.damaged} damaged packets left out"] if film.damaged else []
    if film.frames < WHOLE_FILM * info.frames:
        notes.append(f"it ends early: {film.frames} of {info.frames} frames are there")
    return film.frames, notes + film.notes, fidelity(film.luma, transcode.luma_of(fresh))


def _signed(
    source: Path, fresh: Path, target: Path, declaration: Declaration, message: int
) -> Callable[[], None] | None:
    """Sign the new file; statements that the source carries become a parent of its own."""
    opened = read.read(source).state != "none"
    statements = manifest.declared(declaration, f"{message:012x}", opened)
    parents = [Ingredient(source.name, source)] if opened else []
    return sign.sign(fresh, target, statements, parents, "parentOf")


def _first(path: Path) -> Iterable[VideoFrame]:
    return itertools.islice(iter_frames(path), FRAMES_COMPARED)


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return embed.luma(pixels, *pixels.shape[:2])


def fidelity(
    source: Sequence[NDArray[np.float32]], copy: Sequence[NDArray[np.float32]]
) -> float | None:
    """Decibels of PSNR between planes (H, W) of luma, in steps of 255, frame by frame; None if they
    are the same.
    """
    errors = [float(np.mean((one - two) ** 2)) for one, two in zip(source, copy, strict=False)]
    mean = float(np.mean(errors)) if errors else 0.0
    return 10 * math.log10(255**2 / mean) if mean else None
