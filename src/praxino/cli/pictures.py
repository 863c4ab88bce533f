"""``praxino generate`` with a model of 2021: pictures, guided by CLIP or by a classifier."""

import inspect
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from praxino.cli.terminal import Progress
from praxino.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from praxino.generation.adm import ADMPipeline, PictureRequest
    from praxino.generation.progress import Progress as GenerationProgress

T = TypeVar("T")
ClipFolder = Annotated[
    Path | None, typer.Option("--clip", help="CLIP, which reads the sentence for a model of 2021.")
]
Classifier = Annotated[Path | None, typer.Option(help="Classifier of a model of 2021.")]
Upsampler = Annotated[Path | None, typer.Option(help="Upsampler of a model of 2021.")]
Label = Annotated[int | None, typer.Option(help="Class that a model of 2021 draws, from 0 on.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE of a model of 2021; repeatable (docs/pictures.md)."),
]
FLAGS: Final = frozenset(
    (
        "sentence", "output", "model", "image", "steps", "guidance", "sampler", "seed", "size",
        "count", "preview", "clip", "classifier", "upsampler", "label", "set_", "no_watermark",
        "no_credentials", "credential_prompt", "quiet",
    )
)  # fmt: skip
"""Options that mean something for such a model."""
ENDINGS: Final = (".pt", ".safetensors", ".bin")
WORTH_SAYING: Final = 60.0
"""Seconds, from which on it is said how long a picture takes."""


def is_wanted(flags: dict[str, Any]) -> bool:
    """Whether options ask for a model of 2021: by what belongs to one, or by the file."""
    if any(flags.get(name) for name in ("clip", "classifier", "upsampler", "set_")):
        return True
    path = Path(flags["model"] or "")
    if flags.get("label") is not None:
        return True
    if path.suffix not in ENDINGS or not path.is_file():
        return False
    from praxino.storage.weights import adm, files

    return adm.is_adm(files.open_weights(path))


def make_pictures(flags: dict[str, Any]) -> None:
    """Draw pictures as the options of ``praxino generate`` say, by their names.

    Raises
    ------
    PraxinoError
        For what cannot be used, before the model is loaded where that can be told.
    """
    from praxino.cli import generate as films
    from praxino.provenance.policy import Provenance

    _require_known_flags(flags)
    count, output, progress = flags["count"], flags["output"], Progress(flags["quiet"])
    if output == Path("film.mp4"):
        output = Path("picture.png")
    films.require_output(output, count, 1, 1.0)
    provenance = Provenance(
        not flags["no_watermark"], not flags["no_credentials"], flags["credential_prompt"]
    )
    provenance.require_ready(*films.numbered(output, count))
    pipeline = _pipeline(flags)
    request = _request(pipeline, flags)
    steps = request.steps - request.skip + (request.steps if pipeline.upsampler else 0)
    for number, path in enumerate(films.numbered(output, count)):
        own = request.model_copy(update={"seed": request.seed + number})
        states = _timed(pipeline.run(own, provenance), progress)
        films.write_film(states, steps, path, flags["preview"], progress)


def _require_known_flags(flags: dict[str, Any]) -> None:
    from praxino.cli import generate as films

    usual = {
        name: one.default for name, one in inspect.signature(films.generate).parameters.items()
    }
    for name, value in flags.items():
        if name not in FLAGS and value is not None and value != usual.get(name):
            flag = "--" + name.strip("_").replace("_", "-")
            raise InputError(f"{flag}: a model of 2021 has no use for it", "leave it out")


def _pipeline(flags: dict[str, Any]) -> "ADMPipeline":
    from praxino.generation.adm import ADMPipeline
    from praxino.storage.weights import clip

    if flags["model"] is None:
        raise InputError(
            "which model is to be guided?", "--model 256x256_diffusion_uncond.pt", "model"
        )
    words = clip.read(flags["clip"]) if flags["clip"] else None
    return ADMPipeline(Path(flags["model"]), flags["classifier"], flags["upsampler"], words)


def _request(pipeline: "ADMPipeline", flags: dict[str, Any]) -> "PictureRequest":
    from praxino.cli.options import parse_size
    from praxino.generation.adm import PictureRequest

    width, height = parse_size(flags["size"])
    settings = {name: flags[name] for name in ("steps", "guidance", "sampler", "seed", "label")}
    settings |= {"prompt": flags["sentence"], "width": width, "height": height}
    settings["image"] = str(flags["image"]) if flags["image"] else None
    for text in flags["set_"] or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: must be NAME=VALUE", "--set cuts=32")
        if name not in PictureRequest.model_fields:
            raise UnknownNameError("setting", name, PictureRequest.model_fields)
        kind: TypeAdapter[Any] = TypeAdapter(PictureRequest.model_fields[name].annotation or str)
        settings[name] = _checked(name, kind.validate_strings, value)
    return _checked("", lambda every: pipeline.request(**every), settings)


def _checked(name: str, validate: Callable[[Any], T], value: Any) -> T:
    try:
        return validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = name or ".".join(map(str, first["loc"]))
        raise InputError(f"{where}={first['input']}: {first['msg']}", "docs/pictures.md") from None


def _timed(
    states: Generator["GenerationProgress", None, None], progress: Progress
) -> Generator["GenerationProgress", None, None]:
    """The states; after the second one it is said how long all of them take, if that is long: the
    first one reads weights, too.
    """
    began = [time.monotonic()]
    for state in states:
        began.append(time.monotonic())
        if len(began) == 3 and (step := began[2] - began[1]) * state.steps > WORTH_SAYING:
            minutes = step * state.steps / 60
            progress.say(f"{state.steps} steps of {step:.1f} s: about {minutes:.0f} minutes")
        yield state
