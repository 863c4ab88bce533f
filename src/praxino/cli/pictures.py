"""``praxino generate`` with a model of 2021: pictures, guided by CLIP or by a classifier."""

import inspect
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError

from praxino.cli.options import MAX_FILMS_PER_CALL
from praxino.cli.terminal import Progress
from praxino.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from praxino.generation.adm import ADMPipeline, PictureRequest
    from praxino.generation.progress import Progress as GenerationProgress

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
        "no_credentials", "credential_prompt", "quiet", "device",
    )
)  # fmt: skip
"""Options that mean something for such a model."""
ENDINGS: Final = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
SET: Final = ("cuts", "cut_power", "smoothness", "bounds", "gradient", "skip")
"""Settings that ``--set`` changes: the others have options of their own."""
PARAMETERS: Final = {"guidance_low": "guidance-2", "last": "last-image"}
"""Options that are called otherwise than their parameters."""
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
    if not 1 <= count <= MAX_FILMS_PER_CALL:
        raise InputError(f"count={count}: must be from 1 to {MAX_FILMS_PER_CALL}", "--count 1")
    output = output or Path("picture.png")
    films.require_output(output, count, 1, 1.0)
    provenance = Provenance(
        not flags["no_watermark"], not flags["no_credentials"], flags["credential_prompt"]
    )
    provenance.require_ready(*films.numbered(output, count))
    pipeline = _pipeline(flags)
    request = _request(pipeline, flags)
    first = request.steps - request.skip
    steps = first + (request.steps if pipeline.upsampler else 0)
    for number, path in enumerate(films.numbered(output, count)):
        own = request.model_copy(update={"seed": request.seed + number})
        states = pipeline.run(own, provenance)
        if number == 0:
            states = _timed(states, first, count, progress)
        films.write_film(states, steps, path, flags["preview"], progress)


def _require_known_flags(flags: dict[str, Any]) -> None:
    from praxino.cli import generate as films

    usual = {
        name: one.default for name, one in inspect.signature(films.generate).parameters.items()
    }
    for name, value in flags.items():
        if name not in FLAGS and value is not None and value != usual.get(name):
            flag = "--" + PARAMETERS.get(name, name.strip("_").replace("_", "-"))
            raise InputError(f"{flag}: a model of 2021 has no use for it", "leave it out")


def _pipeline(flags: dict[str, Any]) -> "ADMPipeline":
    from praxino.generation.adm import ADMPipeline
    from praxino.storage.weights import clip

    if flags["model"] is None:
        raise InputError(
            "which model is to be guided?", "--model 256x256_diffusion_uncond.pt", "model"
        )
    files = (Path(flags["model"]), flags["classifier"], flags["upsampler"])
    pipeline = ADMPipeline(*files, device=flags["device"])
    if not flags["clip"]:
        return pipeline
    return ADMPipeline(*files, clip=clip.read(flags["clip"]), device=flags["device"])


def _request(pipeline: "ADMPipeline", flags: dict[str, Any]) -> "PictureRequest":
    from praxino.cli.options import parse_size
    from praxino.generation.adm import PictureRequest

    width, height = parse_size(flags["size"])
    settings = {name: flags[name] for name in ("steps", "guidance", "sampler", "seed", "label")}
    settings |= {"prompt": flags["sentence"], "width": width, "height": height}
    settings["image"] = str(flags["image"]) if flags["image"] else None
    if flags["clip"] and not flags["sentence"]:
        raise InputError("no sentence that CLIP could read", '"a lighthouse in a storm"')
    for text in flags["set_"] or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: must be NAME=VALUE", "--set cuts=32")
        if name not in SET:
            raise UnknownNameError("setting", name, SET)
        kind: TypeAdapter[Any] = TypeAdapter(PictureRequest.model_fields[name].annotation or str)
        try:
            settings[name] = kind.validate_strings(value)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise InputError(f"--set {text}: {problem}", "docs/pictures.md") from None
    return pipeline.request(**settings)


def _timed(
    states: Generator["GenerationProgress", None, None], first: int, count: int, progress: Progress
) -> Generator["GenerationProgress", None, None]:
    """The states of a picture. Once two steps of the model, and two of the upsampler, are there, it
    is said how long all of such steps of all pictures take, if that is long: the very first one
    reads weights, too.
    """
    began = time.monotonic()
    for state in states:
        now = time.monotonic()
        if state.step in (2, first + 2):
            steps = first if state.step == 2 else state.steps - first
            seconds = (now - began) * steps * count
            if seconds > WORTH_SAYING:
                text = f"{steps} steps of {now - began:.1f} s" + (
                    f", {count} times" if count > 1 else ""
                )
                progress.say(f"{text}: about {seconds / 60:.0f} minutes")
        began = now
        yield state
