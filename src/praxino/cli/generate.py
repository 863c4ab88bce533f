"""``praxino generate``: a sentence becomes a film, or several."""

import logging
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from praxino.cli import pictures, references
from praxino.cli.options import (
    MAX_FILMS_PER_CALL,
    Device,
    Dtype,
    FirstImage,
    Frames,
    LastImage,
    Quiet,
    Size,
    Steps,
    TextFile,
    TokenizerFolder,
    VaeFile,
    VisionFile,
    parse_size,
    part_files,
)
from praxino.cli.terminal import Progress
from praxino.errors import CheckpointError, InputError, MediaError

if TYPE_CHECKING:
    from praxino.cards import ModelCard
    from praxino.generation.pipeline import Pipeline
    from praxino.generation.progress import Progress as GenerationProgress
    from praxino.layout import Layout
    from praxino.references import Reference
    from praxino.request import Request
    from praxino.storage.media.video import Video
    from praxino.storage.wan.single_files import PartFiles

MAX_EDIT_BYTES: Final = 2**20
FILM: Final = Path("film.mp4")
ENDING: Final = "The ending chooses: .mp4 .webm .gif, .png for one frame."
Output = Annotated[Path, typer.Option("-o", "--output", help=ENDING)]
OwnOutput = Annotated[
    Path | None, typer.Option("-o", "--output", show_default=str(FILM), help=ENDING)
]
LayoutFile = Annotated[
    Path | None, typer.Option("--layout", help="JSON of praxino layout: what to paint where.")
]
EditFile = Annotated[
    Path | None, typer.Option("--edit", help="What is made of a film that is there already.")
]
ReferenceFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--reference", help="FILE[:KIND]: what @image1, @image2 ... look like; repeatable."
    ),
]
Guidance2 = Annotated[
    float | None,
    typer.Option("--guidance-2", help="Guidance of the low-noise expert (two-expert models)."),
]
ReferenceGuidance = Annotated[
    float | None, typer.Option(help="How closely to follow pictures of @names, on their own.")
]
BestOf = Annotated[
    int | None, typer.Option(help="Make so many films, keep the one that shows its layout best.")
]
Compile = Annotated[
    bool, typer.Option("--compile", help="torch.compile: slow first step, faster ones after.")
]
EnhanceAxes = Annotated[
    str | None,
    typer.Option(
        "--enhance", help="off space time space,time: twice the size, twice the frame rate."
    ),
]
RecaptionMode = Annotated[
    str | None,
    typer.Option("--recaption", help="off grammar llm: who makes a short sentence long."),
]
PromptUsed = Annotated[str | None, typer.Option(help="The sentence that the model reads instead.")]
Sentence = Annotated[str | None, typer.Argument(help="What to show.", show_default=False)]
ModelName = Annotated[
    str | None, typer.Option(help="Bundled, a folder, or OWNER/NAME. [default: diorama]")
]
Lora = Annotated[list[str] | None, typer.Option(help="[high=|low=]FILE[:SCALE]; repeatable.")]
Negative = Annotated[str | None, typer.Option(help="What not to show.")]
Guidance = Annotated[
    float | None, typer.Option(help="How closely to follow the prompt; 1 is not guided.")
]
Interval = Annotated[str | None, typer.Option(help="LOW,HIGH: times from 0 to 1 that are guided.")]
Rescale = Annotated[
    float | None, typer.Option(help="0 to 1: how much of guidance's contrast to take back.")
]
Cache = Annotated[
    float | None, typer.Option(help="Forecast outputs within this error, such as 0.1.")
]
Shift = Annotated[float | None, typer.Option(help="Timestep shift; above 1 for larger videos.")]
Sampler = Annotated[
    str | None, typer.Option(help="ddpm ddim euler heun dpm++2m dpm++2m-sde unipc flow-map")
]
SeedOption = Annotated[int | None, typer.Option(help="The same seed makes the same film.")]
Fps = Annotated[float | None, typer.Option(help="Frames per second.")]
Seconds = Annotated[
    float | None, typer.Option(help="From the first frame to the last, in place of --frames.")
]
FilmCount = Annotated[int, typer.Option(help="How many films, with seeds from --seed up.")]
Like = Annotated[Path | None, typer.Option(help="Take all settings from this file's record.")]
Preview = Annotated[
    int, typer.Option(help="Every so many steps, write OUTPUT.preview.png; 0 is never.")
]
NoWatermark = Annotated[bool, typer.Option("--no-watermark", help="Put no mark into the pixels.")]
NoGrowth = Annotated[
    bool, typer.Option("--no-growth", help="Add nothing of the film to the memory of its @names.")
]
NoCredentials = Annotated[bool, typer.Option("--no-credentials", help="Do not sign the file.")]
CredentialPrompt = Annotated[
    bool, typer.Option("--credential-prompt", help="Sign the sentence, too.")
]
NoiseMark = Annotated[bool | None, typer.Option(help="Mark the noise it is made of, too.")]


def generate(
    sentence: Sentence = None,
    output: OwnOutput = None,
    model: ModelName = None,
    vae: VaeFile = None,
    text: TextFile = None,
    tokenizer: TokenizerFolder = None,
    vision: VisionFile = None,
    image: FirstImage = None,
    last: LastImage = None,
    reference: ReferenceFiles = None,
    lora: Lora = None,
    layout: LayoutFile = None,
    edit: EditFile = None,
    enhance: EnhanceAxes = None,
    recaption: RecaptionMode = None,
    prompt_used: PromptUsed = None,
    negative: Negative = None,
    steps: Steps = None,
    guidance: Guidance = None,
    guidance_low: Guidance2 = None,
    reference_guidance: ReferenceGuidance = None,
    interval: Interval = None,
    rescale: Rescale = None,
    cache: Cache = None,
    shift: Shift = None,
    sampler: Sampler = None,
    seed: SeedOption = None,
    frames: Frames = None,
    seconds: Seconds = None,
    size: Size = None,
    fps: Fps = None,
    count: FilmCount = 1,
    best_of: BestOf = None,
    like: Like = None,
    preview: Preview = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compile_: Compile = False,
    no_watermark: NoWatermark = False,
    no_credentials: NoCredentials = False,
    credential_prompt: CredentialPrompt = False,
    noise_mark: NoiseMark = None,
    clip: pictures.ClipFolder = None,
    classifier: pictures.Classifier = None,
    upsampler: pictures.Upsampler = None,
    label: pictures.Label = None,
    set_: pictures.Settings = None,
    no_growth: NoGrowth = False,
    quiet: Quiet = False,
) -> None:
    """Turn a sentence into a film, marked and signed as generated."""
    make_films(dict(locals()))


def make_films(flags: dict[str, Any]) -> None:
    """Make films as the options of `generate` say, by their names.

    Raises
    ------
    PraxinoError
        For what cannot be used, before anything is loaded where that can be told.
    """
    from praxino.provenance.policy import Provenance

    if pictures.is_wanted(flags):
        pictures.make_pictures(flags)
        return
    flags = flags | {"output": flags["output"] or FILM}
    count, output, like = flags["count"], flags["output"], flags["like"]
    if not 1 <= count <= MAX_FILMS_PER_CALL:
        raise InputError(f"count={count}: must be from 1 to {MAX_FILMS_PER_CALL}", "--count 1")
    progress = Progress(flags["quiet"])
    record = recorded(like) if like else {}
    settings = merge_settings(record, settings_of(flags))
    provenance = Provenance(
        not flags["no_watermark"], not flags["no_credentials"], flags["credential_prompt"]
    )
    require_output(output, count, settings.get("frames", 2), settings.get("fps", 1))
    provenance.require_ready(*numbered(output, count))
    parts = part_files(*(flags[name] for name in ("vae", "text", "tokenizer", "vision")))
    how = (flags["device"], flags["dtype"], flags["compile_"], parts)
    loaded = load_model(flags["model"], record, like, how)
    if (seconds := flags.get("seconds")) is not None:
        frames = _frames_of(seconds, flags["frames"], settings.get("fps"), loaded.card)
        settings = merge_settings(record, settings_of(flags | {"frames": frames}))
    first = loaded.request(**settings)
    requests = _with_seeds(first, count, same_layout=flags["layout"] is not None)
    require_output(output, count, first.result.frames, first.result.fps)
    for request, path in zip(requests, numbered(output, count), strict=True):
        steps = request.steps * request.best_of
        film = write_film(loaded.run(request, provenance), steps, path, flags["preview"], progress)
        if request.references and loaded.card.grammar and not flags.get("no_growth"):
            grow(request.references, film, path.name, progress)


def _frames_of(seconds: float, frames: int | None, fps: float | None, card: "ModelCard") -> int:
    from praxino.durations import frames_of

    if frames is not None:
        raise InputError(f"{seconds:g} seconds, and {frames} frames", "one of them", "seconds")
    return frames_of(seconds, fps or card.defaults.fps, card)


def _with_seeds(first: "Request", count: int, same_layout: bool) -> list["Request"]:
    """The request with seeds from its own up; a layout that was not given is of the first seed
    alone.
    """
    free = first if same_layout else first.model_copy(update={"layout": None})
    return [
        first,
        *(free.reseeded(first.seed + number * first.best_of) for number in range(1, count)),
    ]


def write_film(
    states: Generator["GenerationProgress", None, None],
    steps: int,
    path: Path,
    preview: int,
    progress: Progress,
) -> "Video":
    """One film, step by step; stopped by Ctrl-C, it is written as it is then."""
    state, stopped = None, False
    try:
        with progress.bar(path.name, steps) as advance:
            for state in states:
                advance(state.step, total=state.steps)
                if preview and state.video is None and state.step % preview == 0:
                    _write_preview(state, path)
    except KeyboardInterrupt:
        if state is None:
            raise
        stopped = state.video is None
        states.close()  # the networks leave before the film is decoded
        progress.say(f"stopped at step {state.step} of {state.steps}: keeping what there is")
    assert state is not None
    film = state.finish()
    film.save(path)
    path.with_suffix(".preview.png").unlink(missing_ok=True)
    count, height, width = film.frames.shape[:3]
    length = f"{count} frame{'s' if count > 1 else ''}"
    progress.say(f"wrote {path}: {length}, {width}x{height}, seed {film.record['seed']}")
    if stopped:
        raise typer.Exit(130)
    return film


def grow(references: "Sequence[Reference]", film: "Video", name: str, progress: Progress) -> None:
    """Add what the film of this name shows of remembered entities to the memory, where it can be
    verified.
    """
    from praxino.generation import growth, memory

    for note in growth.grow(memory.installation(), references, film.frames, name):
        progress.say(f"note: {note}")


def _write_preview(state: "GenerationProgress", path: Path) -> None:
    from praxino.data.pixels import strip
    from praxino.storage.media.video import write_picture

    write_picture(path.with_suffix(".preview.png"), strip(state.preview()))


def settings_of(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of `Request` from the command's flags; None where a flag is not used."""
    from praxino.request import Request

    width, height = parse_size(flags["size"])
    picture = flags["output"].suffix.lower() == ".png" and flags["frames"] is None
    settings = {name: flags[name] for name in Request.model_fields if name in flags}
    ends, settings["references"] = references.parse_references(flags.get("reference") or ())
    for name in ("image", "last"):
        if name in ends and flags[name]:
            raise InputError(
                f"{ends[name]} and {flags[name]}: two pictures in one place", "one of them", name
            )
        settings[name] = ends.get(name) or (flags[name] and str(flags[name]))
    return settings | {
        "prompt": flags["sentence"],
        "width": width,
        "height": height,
        "frames": 1 if picture else flags["frames"],
        "loras": tuple(flags["lora"]) if flags["lora"] else None,
        "interval": parse_interval(flags["interval"]),
        "layout": read_layout(flags["layout"]),
        "edit": read_edit(flags["edit"]),
    }


def merge_settings(record: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """What the flags say, and for the rest what the record says; see `praxino.request.merge`."""
    from praxino.request import merge

    settings = merge(record.get("request", {}), flags)
    if "prompt" not in settings:
        raise InputError("no sentence", 'praxino generate "a red ball bounces on the grass"')
    return settings


def require_output(output: Path, count: int, frames: int, fps: float) -> None:
    """Raise before minutes of work, not after them, if the films cannot be written."""
    from praxino.storage.files import require_writable
    from praxino.storage.media.video import require_ending

    require_ending(output, frames, fps)
    for path in numbered(output, count):
        require_writable(path)


def recorded(path: Path) -> dict[str, Any]:
    """What a file's record says: the ``request`` as settings, and the model, digest and dtype."""
    from praxino.provenance.watermark import issued
    from praxino.request import Request
    from praxino.storage.media.frames import read_video

    record = read_video(path).record
    if not isinstance(record.get("prompt"), str):
        raise MediaError(
            f"{path} holds no record of how it was made",
            "only files written by praxino generate do",
        )
    if record.get("noise_mark") and str(record.get("watermark")) not in (
        f"{own:012x}" for own in issued.issued_messages()
    ):
        logging.getLogger("praxino").warning(
            "note: %s may be of noise that another installation marked: the film will differ then",
            path,
        )
    if record.get("prompts"):
        note = "note: %s turned to other sentences on the way: what is made again is its first one"
        logging.getLogger("praxino").warning(note, path)
    request = {name: value for name, value in record.items() if name in Request.model_fields}
    texts = {
        name: record[name]
        for name in ("model", "digest", "dtype")
        if isinstance(record.get(name), str)
    }
    return {"request": request, **texts}


def load_model(
    model: str | None,
    record: dict[str, Any],
    like: Path | None,
    how: tuple[str, str, bool, "PartFiles | None"],
) -> "Pipeline":
    """The model asked for, or that of the record, with the weights and the type that the record
    names.

    ``how`` is device, type, whether to compile, and files of parts.
    """
    from praxino.generation import loading

    device, dtype, compiled, files = how
    dtype = record.get("dtype", dtype) if dtype == "auto" else dtype
    pipeline = loading.load(_model(model, record, like), device, dtype, compiled, files)
    _require_same_weights(like, record.get("digest"), pipeline.model.digest, model)
    return pipeline


def _model(name: str | None, record: dict[str, Any], like: Path | None) -> str:
    """The model to load: the one asked for, the one in the record, or the bundled one."""
    from praxino.generation.loading import find_model

    if name is not None or "model" not in record:
        return "diorama" if name is None else name
    try:
        find_model(record["model"])
    except CheckpointError:
        raise InputError(
            f"{like} was made by a model {record['model']!r} (weights "
            f"{record.get('digest', 'unknown')}), not bundled",
            "--model FOLDER names it",
        ) from None
    return str(record["model"])


def _require_same_weights(
    like: Path | None, recorded: str | None, loaded: str, model: str | None
) -> None:
    """Other weights make another film: an error, unless the model was chosen by hand."""
    if recorded is None or recorded == loaded:
        return
    if model is None:
        raise InputError(
            f"{like} was made by weights {recorded}, the model of that name here has {loaded}",
            "--model FOLDER names the right one; --model diorama makes a similar film with the "
            "bundled one",
        )
    logging.getLogger("praxino").warning(
        "note: %s was made by other weights: the film will differ", like
    )


def read_layout(path: Path | None) -> "Layout | None":
    """The layout in a JSON file, if one is named."""
    from praxino import layout

    return layout.read(path) if path else None


def read_edit(edit: Any) -> Any:
    """The edit in a JSON file, if one is named; one that is read already stays."""
    if not isinstance(edit, Path):
        return edit
    from praxino import edits, plain

    hint = f"tasks are {' '.join(edits.TASKS)}"
    return edits.parse_edit(plain.read_json(edit, MAX_EDIT_BYTES, hint))


def parse_interval(text: str | None) -> tuple[float, float] | None:
    """Two times of ``LOW,HIGH``; raises `InputError` for anything else."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"interval={text!r}: must be two times from 0 to 1, LOW,HIGH", "0.1,0.9"
        ) from None
    return low, high


def numbered(path: Path, count: int) -> list[Path]:
    """``path`` itself, or for more than one film ``NAME-001`` and so on."""
    if count == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{i + 1:03d}") for i in range(count)]
