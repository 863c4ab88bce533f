"""What ``praxino generate`` does around the work: settings out of flags and records, checks before it begins."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import CheckpointError, InputError, MediaError

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline


def settings(record: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, and for the rest what the record says."""
    found: dict[str, Any] = record.get("request", {}) | {name: each for name, each in asked.items() if each is not None}
    if "prompt" not in found:
        raise InputError("no sentence", 'praxino generate "a red ball bounces on the grass"')
    return found


def check_output(output: Path, count: int, frames: int, fps: float) -> None:
    """Raise before minutes of work, not after them, if the films cannot be written."""
    from praxino.storage.video import check_ending, check_writable

    check_ending(output, frames, fps)
    for path in numbered(output, count):
        check_writable(path)


def recorded(path: Path) -> dict[str, Any]:
    """What a file's record says: the ``request`` as settings, and the model, digest and dtype."""
    from praxino.generation.request import Request
    from praxino.provenance import made
    from praxino.storage.video import read

    record = read(path).record
    if not isinstance(record.get("prompt"), str):
        raise MediaError(f"{path} holds no record of how it was made", "only files written by praxino generate do")
    if record.get("noise_mark") and str(record.get("watermark")) not in (f"{own:012x}" for own in made.remembered()):
        logging.getLogger("praxino").warning(
            "note: %s may be of noise that another installation marked: the film will differ then", path
        )
    request = {name: value for name, value in record.items() if name in Request.model_fields}
    texts = {name: record[name] for name in ("model", "digest", "dtype") if isinstance(record.get(name), str)}
    return {"request": request, **texts}


def loaded(model: str | None, record: dict[str, Any], like: Path | None, how: tuple[str, str, bool]) -> "Pipeline":
    """The model asked for, or that of the record, with the weights and the type that the record names.

    ``how`` is device, type and whether to compile.
    """
    from praxino.generation import pipeline

    device, dtype, compiled = how
    dtype = record.get("dtype", dtype) if dtype == "auto" else dtype
    found = pipeline.load(_model(model, record, like), device, dtype, compiled)
    _check_weights(like, record.get("digest"), found.model.digest, model)
    return found


def _model(asked: str | None, record: dict[str, Any], like: Path | None) -> str:
    """The model to load: the one asked for, the one in the record, or the bundled one."""
    from praxino.generation.pipeline import find

    if asked is not None or "model" not in record:
        return "diorama" if asked is None else asked
    try:
        find(record["model"])
    except CheckpointError:
        raise InputError(
            f"{like} was made by a model {record['model']!r} (weights {record.get('digest', 'unknown')}), not bundled",
            "--model FOLDER names it",
        ) from None
    return str(record["model"])


def _check_weights(like: Path | None, recorded: str | None, loaded: str, model: str | None) -> None:
    """Other weights make another film: an error, unless the model was chosen by hand."""
    if recorded is None or recorded == loaded:
        return
    if model is None:
        raise InputError(
            f"{like} was made by weights {recorded}, the model of that name here has {loaded}",
            "--model FOLDER names the right one; --model diorama makes a similar film with the bundled one",
        )
    logging.getLogger("praxino").warning("note: %s was made by other weights: the film will differ", like)


def size(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and len(text) < 20):
        text = text if len(text) < 40 else f"{text[:40]}..."
        raise InputError(f"size={text!r}: must be WIDTHxHEIGHT", "64x64")
    return int(width), int(height)


def interval(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"interval={text!r}: must be two times from 0 to 1, LOW,HIGH", "0.1,0.9") from None
    return low, high


def steps(text: str) -> list[int]:
    """Numbers of steps of noise."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"steps={text!r}: must be numbers with commas between", "0,100,500,1000") from None


def numbered(path: Path, count: int) -> list[Path]:
    if count == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{i + 1:03d}") for i in range(count)]
