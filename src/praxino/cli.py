"""The command line. Data goes to standard output, everything else to standard error.

A mistake is one line and exit code 2. Nothing heavy is imported before a verb needs it.
"""

import functools
import json
import logging
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from praxino import making, terminal
from praxino.errors import InputError

if TYPE_CHECKING:
    from praxino.generation.pipeline import Progress
    from praxino.generation.request import Request

MOST = 10_000
"""Films in one call."""

app = typer.Typer(
    name="praxino",
    help="Films and pictures out of noise from a sentence.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


Device = Annotated[str, typer.Option(help="auto cpu cuda mps")]
Dtype = Annotated[str, typer.Option(help="auto float32 bfloat16 int8 fp8")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Frames = Annotated[int | None, typer.Option(help="4k+1; one frame is a picture.")]
Size = Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps.")]
First = Annotated[Path | None, typer.Option(help="The picture that the film begins with.")]
Last = Annotated[Path | None, typer.Option(help="The picture that it ends with.")]


@app.command()
def generate(
    sentence: Annotated[str | None, typer.Argument(help="What to show.", show_default=False)] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The ending chooses: .mp4 .webm .gif, .png for one frame.")
    ] = Path("film.mp4"),
    model: Annotated[str | None, typer.Option(help="Bundled, a folder, or OWNER/NAME.  [default: diorama]")] = None,
    image: First = None,
    last: Last = None,
    lora: Annotated[list[str] | None, typer.Option(help="[high=|low=]FILE[:SCALE]; repeatable.")] = None,
    negative: Annotated[str | None, typer.Option(help="What not to show.")] = None,
    steps: Steps = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the sentence; 1 is not guided.")] = None,
    guidance_low: Annotated[float | None, typer.Option(help="That of the second of two experts.")] = None,
    interval: Annotated[str | None, typer.Option(help="LOW,HIGH: times from 0 to 1 that are guided.")] = None,
    rescale: Annotated[float | None, typer.Option(help="0 to 1: how much of guidance's contrast to take back.")] = None,
    cache: Annotated[float | None, typer.Option(help="Forecast outputs within this error, such as 0.1.")] = None,
    shift: Annotated[float | None, typer.Option(help="Of the times towards noise: above 1 for large films.")] = None,
    sampler: Annotated[str | None, typer.Option(help="ddpm ddim euler heun dpm++2m dpm++2m-sde unipc")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same film.")] = None,
    frames: Frames = None,
    size: Size = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.")] = None,
    count: Annotated[int, typer.Option(help="How many films, with seeds from --seed up.")] = 1,
    like: Annotated[Path | None, typer.Option(help="Take all settings from this file's record.")] = None,
    preview: Annotated[int, typer.Option(help="Every so many steps, write OUTPUT.preview.png; 0 is never.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compile_: Annotated[bool, typer.Option("--compile", help="A long first step, shorter ones after it.")] = False,
    no_watermark: Annotated[bool, typer.Option("--no-watermark", help="Put no mark into the pixels.")] = False,
    no_credentials: Annotated[bool, typer.Option("--no-credentials", help="Do not sign the file.")] = False,
    credential_prompt: Annotated[bool, typer.Option("--credential-prompt", help="Sign the sentence, too.")] = False,
    noise_mark: Annotated[bool | None, typer.Option(help="Mark the noise it is made of, too.")] = None,
    quiet: Quiet = False,
) -> None:
    """Turn a sentence into a film, marked and signed as generated."""
    from praxino.provenance.stamp import Provenance

    if not 1 <= count <= MOST:
        raise InputError(f"count={count}: must be from 1 to {MOST}", "--count 1")
    terminal.hush(quiet)
    record = making.recorded(like) if like else {}
    width, height = making.size(size)
    picture = output.suffix.lower() == ".png" and frames is None
    asked = {
        "prompt": sentence, "negative": negative, "steps": steps, "guidance": guidance, "sampler": sampler,
        "seed": seed, "frames": 1 if picture else frames, "width": width, "height": height, "fps": fps, "shift": shift,
        "image": image and str(image), "last": last and str(last), "loras": tuple(lora) if lora else None,
        "guidance_low": guidance_low, "interval": making.interval(interval), "rescale": rescale, "cache": cache,
        "noise_mark": noise_mark,
    }  # fmt: skip
    settings = making.settings(record, asked)
    provenance = Provenance(not no_watermark, not no_credentials, credential_prompt)
    making.check_output(output, count, settings.get("frames", 2), settings.get("fps", 1))
    provenance.check(*making.numbered(output, count))
    loaded = making.loaded(model, record, like, (device, dtype, compile_))
    first = loaded.request(**settings)
    requests = [first.reseeded(first.seed + number) for number in range(count)]
    making.check_output(output, count, first.frames, first.fps)
    for request, path in zip(requests, making.numbered(output, count), strict=True):
        _make(loaded.run(request, provenance), request, path, preview, quiet)


def _make(states: Generator["Progress", None, None], request: "Request", path: Path, preview: int, quiet: bool) -> None:
    """One film, step by step; stopped by Ctrl-C, it is written as it is then."""
    state, stopped = None, False
    try:
        with terminal.bar(quiet, path.name, request.steps) as advance:
            for state in states:
                advance(state.step)
                if preview and state.video is None and state.step % preview == 0:
                    _write_preview(state, path)
    except KeyboardInterrupt:
        if state is None:
            raise
        stopped = state.video is None
        states.close()  # the networks leave before the film is decoded
        terminal.say(f"stopped at step {state.step} of {state.steps}: keeping what there is", quiet)
    assert state is not None
    state.film().save(path)
    path.with_suffix(".preview.png").unlink(missing_ok=True)
    made = f"{request.frames} frame{'s' if request.frames > 1 else ''}"
    terminal.say(f"wrote {path}: {made}, {request.width}x{request.height}, seed {request.seed}", quiet)
    if stopped:
        raise typer.Exit(130)


def _write_preview(state: "Progress", path: Path) -> None:
    from praxino.data.clips import strip
    from praxino.storage.video import write_picture

    write_picture(path.with_suffix(".preview.png"), strip(state.preview()))


@app.command()
def noise(
    picture: Annotated[Path, typer.Argument(help="A picture or a film.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png, or .mp4 .webm .gif for a film.")] = Path(
        "noise.png"
    ),
    steps: Annotated[str, typer.Option(help="Steps of noise, 0 to 1000.")] = "0,100,500,1000",
    schedule: Annotated[str, typer.Option(help="linear cosine")] = "linear",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1)] = 0,
    no_credentials: Annotated[bool, typer.Option("--no-credentials", help="Do not sign the file.")] = False,
) -> None:
    """Show the forward process: a picture or film as noise is put in; large ones are reduced to 256 rows first.

    It is signed as changed, and not marked as generated: no model made it.
    """
    from praxino.provenance.stamp import Provenance
    from praxino.storage import video

    video.check_ending(output, 1)
    video.check_writable(output)
    chosen = making.steps(steps)
    from praxino.generation.forward import contact_sheet, noise_strip

    provenance = Provenance(credentials=not no_credentials)
    provenance.check(output)
    strip = noise_strip(video.read(picture), chosen, schedule, seed)
    if output.suffix.lower() == ".png":
        strip = contact_sheet(strip)
    provenance.changed(strip, picture, f"noise of steps {steps} put in").save(output)
    terminal.say(f"wrote {output}: {strip.frames.shape[2]}x{strip.frames.shape[1]}, steps {steps}", quiet=False)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="diorama-vae, diorama-64, diorama-reader, detector or smoke.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as optimizer.lr=3e-4; repeatable.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run.  [default: runs/RECIPE]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint of the run.")] = False,
    init: Annotated[Path | None, typer.Option(help="Start from the weights of this model folder.")] = None,
    vae: Annotated[Path | None, typer.Option(help="Model folder whose autoencoder to use.  [default: bundled]")] = None,
    footage: Annotated[Path | None, typer.Option(help="Folder of real clips, for the detector.")] = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Train a model by a named recipe."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch then asks for huge pages: a step takes a tenth less
    from praxino import recipes

    terminal.hush(quiet)
    config = recipes.recipe(recipe, set_ or [])
    folder = output or Path("runs") / recipe
    if folder.is_file():
        raise InputError(f"{folder} is a file", "-o names the folder of the run")
    if folder.exists() and any(folder.iterdir()) and not resume:
        raise InputError(f"{folder} holds a run already", "--resume goes on with it, -o names another folder")
    from praxino.generation.pipeline import choose_device, find
    from praxino.training import loop

    if vae and config.stage.kind in ("autoencoder", "forensic"):
        raise InputError(f"--vae {vae}: {recipe} trains an autoencoder itself", "--init starts from given weights")
    if footage and config.stage.kind != "forensic":
        raise InputError(f"--footage {footage}: {recipe} learns from the diorama", "leave it out")
    sources = recipes.Sources(
        vae=find(vae) if vae else None, init=find(init) if init else None, footage=footage and footage.resolve()
    )
    if resume:
        config, sources = recipes.resumed(folder, recipe, config, sources, changed=bool(set_ or vae or init or footage))
    stage = recipes.build(config, sources, folder.parent, str(choose_device(device)))
    recipes.remember(folder, recipe, config, sources)
    with terminal.bar(quiet, recipe, config.loop.steps) as advance:
        for report in loop.train(stage, config.loop, config.optimizer, folder, resume, recipes.samples(stage)):
            advance(report.step, description=f"{recipe} loss {report.loss:.4f}")
    terminal.say(f"wrote {folder / 'final'}", quiet)


@app.command()
def evaluate(
    model: Annotated[str | None, typer.Argument(help="A bundled model or a folder.", show_default=False)] = None,
    suite: Annotated[str, typer.Option(help="diorama rare physics motion")] = "diorama",
    samples: Annotated[int, typer.Option(min=1, max=MOST, help="Sentences of the suite.")] = 64,
    seeds: Annotated[int, typer.Option(min=1, max=MOST, help="Films of each sentence.")] = 1,
    reader: Annotated[Path | None, typer.Option(help="Folder of a trained reader.  [default: the bundled one]")] = None,
    processes: Annotated[int, typer.Option(min=1, max=256, help="That share the films.")] = 1,
    real: Annotated[Path | None, typer.Option(help="Folder of real films, to compare without a model.")] = None,
    fake: Annotated[Path | None, typer.Option(help="Folder of films to hold against them.")] = None,
    features: Annotated[str, typer.Option(help="What compares them: reader inception i3d clip")] = "reader",
    weights: Annotated[Path | None, typer.Option(help="Weights of inception, i3d or clip.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the page and the rows.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure a model on a suite of sentences, or compare two folders of films."""
    terminal.hush(quiet)
    if (model is None) != (real is not None and fake is not None) or (model and (real or fake)):
        raise InputError("name a model, or two folders", "praxino evaluate diorama, or --real FOLDER --fake FOLDER")
    idle = {
        "--features": model and features != "reader",
        "--weights": weights and (model or features == "reader"),
        "--reader": reader and not model and features != "reader",
        "--suite": not model and suite != "diorama",
        "--device": not model and device != "auto",
        "--samples": not model and samples != 64,
        "--seeds": not model and seeds != 1,
        "--processes": not model and processes != 1,
    }
    for name, given in idle.items():
        if given:
            raise InputError(f"{name} changes nothing here", "leave it out, or see praxino evaluate --help")
    from praxino import measure

    bar, say = functools.partial(terminal.bar, quiet), lambda text: terminal.say(text, quiet)
    if model is None:
        assert real is not None
        assert fake is not None
        chosen = reader if features == "reader" else weights
        found, text = measure.compared(real, fake, features, chosen, output, bar, say)
    else:
        found, text = measure.judged(model, (suite, samples, seeds), reader, output, processes, device, bar, say)
    typer.echo(json.dumps(found, indent=1) if json_ else text)


@app.command()
def plan(
    model: Annotated[str, typer.Argument(help="A bundled model, a folder, or OWNER/NAME.")] = "diorama",
    frames: Frames = None,
    size: Size = None,
    steps: Steps = None,
    guidance: Annotated[float | None, typer.Option(help="1 is not guided, and takes half the time.")] = None,
    image: First = None,
    last: Last = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Say what memory and time a film will take, before anything is loaded."""
    from praxino.generation import pipeline

    width, height = making.size(size)
    loaded = pipeline.load(model, device, dtype)
    request = loaded.request(
        "a cat", frames=frames, width=width, height=height, steps=steps, guidance=guidance,
        image=str(image) if image else None, last=str(last) if last else None,
    )  # fmt: skip
    found = loaded.plan(request)
    typer.echo(f"{request.frames} frames, {request.width}x{request.height}, {request.steps} steps")
    typer.echo(found.table())
    found.check()


@app.command()
def detect(
    paths: Annotated[list[Path], typer.Argument(help="Films, or folders of films.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A page (.html) of one film; a table (.csv .json) of many.")
    ] = None,
    pages: Annotated[Path | None, typer.Option(help="Folder for a page of every film.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False,
    processes: Annotated[int, typer.Option(min=0, max=256, help="That share the films; 0: one a core.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Say whether films were generated, with the evidence; a stopped table is gone on with."""
    from praxino import checking

    terminal.hush(quiet)
    bar, say = functools.partial(terminal.bar, quiet), lambda text: terminal.say(text, quiet)
    if len(paths) == 1 and not paths[0].is_dir():
        found: Any
        found, text = checking.one(paths[0], output, pages, say)
    else:
        found, text = checking.many(paths, output, pages, processes, bar, say)
    typer.echo(json.dumps(found, indent=1) if json_ else text)


@app.command()
def verify(
    paths: Annotated[list[Path], typer.Argument(help="Films or pictures, or folders of them.", show_default=False)],
    model: Annotated[str | None, typer.Option(help="Look for a mark in the noise, too, by this model.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False,
    processes: Annotated[int, typer.Option(min=0, max=256, help="That share the files; 0: one a core.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Say who signed a file, whether it is as it was then, and which mark it carries.

    Exit codes: 0 signed and as signed, 1 nothing found, 2 not to be read, 3 tampered with, 4 marked but not signed.
    """
    from praxino import verifying

    terminal.hush(quiet)
    if len(paths) == 1 and not paths[0].is_dir():
        found: Any
        found, text, code = verifying.one(paths[0], model)
    elif model:
        raise InputError("--model reads the noise of one film at a time", "name one file")
    else:
        found, text, code = verifying.many(paths, processes, functools.partial(terminal.bar, quiet))
    typer.echo(json.dumps(found, indent=1) if json_ else text)
    raise typer.Exit(code)


Data = Annotated[Path | None, typer.Option(help="Folder for jobs and films.  [default: that of this user's data]")]
Jobs = Annotated[str | None, typer.Option(envvar="PRAXINO_JOBS", help="sqlite:///FILE or postgresql://...")]
Storage = Annotated[str | None, typer.Option(envvar="PRAXINO_STORAGE", help="Folder, or s3://... .")]
Models = Annotated[list[str] | None, typer.Option("--model", help="To serve; repeatable.  [default: diorama]")]
KeepDays = Annotated[float, typer.Option(min=0, max=36_500, help="Until films are deleted; 0 is never.")]
KeepBytes = Annotated[int, typer.Option(min=0, help="Of all films: the oldest go first; 0 is no limit.")]
Lease = Annotated[
    float, typer.Option(min=1, max=86_400, help="Seconds of silence after which a worker is taken for dead.")
]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Others than this machine need keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8400,
    model: Models = None,
    data: Data = None,
    jobs: Jobs = None,
    storage: Storage = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes here that do the jobs.")] = 1,
    keep_days: KeepDays = 30.0,
    keep_bytes: KeepBytes = 0,
    lease: Lease = 30.0,
    largest: Annotated[int, typer.Option(min=1, help="Times the pixels of the model's own films.")] = 16,
    upload: Annotated[int, typer.Option(min=1, max=4096, help="MiB of a file that is sent, at most.")] = 64,
    origin: Annotated[list[str] | None, typer.Option(help="Site whose pages may use the API; repeatable.")] = None,
    new_key: Annotated[str | None, typer.Option(metavar="NAME", help="Make a key, print it, and end.")] = None,
    per_minute: Annotated[int, typer.Option(min=0, help="Jobs that this key may ask for; 0: any number.")] = 60,
    per_day: Annotated[int, typer.Option(min=0)] = 0,
    at_a_time: Annotated[int, typer.Option(min=0)] = 0,
    priority: Annotated[str, typer.Option(help="The highest of this key: low normal high")] = "normal",
    keys: Annotated[bool, typer.Option("--keys", help="List the keys, and end.")] = False,
    revoke_key: Annotated[str | None, typer.Option(metavar="ID", help="Make a key useless, and end.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Open the studio: an API, a page, and a worker that makes the films."""
    with terminal.needing("serve"):
        from praxino.service import access, desk
        from praxino.service.serve import Places, Work, named
        from praxino.service.serve import serve as run
        from praxino.service.sweep import Keeping

    terminal.hush(quiet)
    places = Places.of(data, jobs, storage)
    if new_key is not None or keys or revoke_key is not None:
        limits = desk.limits(per_minute, per_day, at_a_time, priority)
        typer.echo(desk.keys(places.jobs, new_key, limits, revoke_key))
        return
    served = named(model or ["diorama"])
    store, objects = places.open(lease)
    studio = access.Studio(
        store, objects, host, upload * 2**20, largest, default=next(iter(served)), origins=tuple(origin or ())
    )
    keeping = Keeping(days=keep_days, bytes=keep_bytes)
    run(studio, port, places, Work(served, device, dtype, keeping, lease=lease), workers, quiet)


@app.command()
def worker(
    model: Models = None,
    data: Data = None,
    jobs: Jobs = None,
    storage: Storage = None,
    kind: Annotated[list[str] | None, typer.Option(help="video image detect verify; repeatable.")] = None,
    keep_days: KeepDays = 30.0,
    keep_bytes: KeepBytes = 0,
    lease: Lease = 30.0,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Do the jobs of a studio, on this machine or another; SIGTERM hands the present one back."""
    with terminal.needing("serve"):
        from praxino.service.desk import checked_kinds
        from praxino.service.serve import Places, Work, named
        from praxino.service.serve import worker as run
        from praxino.service.sweep import Keeping

    terminal.hush(quiet)
    keeping = Keeping(days=keep_days, bytes=keep_bytes)
    run(
        Places.of(data, jobs, storage),
        Work(named(model or ["diorama"]), device, dtype, keeping, checked_kinds(kind), lease),
        with_parent,
    )


@app.command()
def bot(
    data: Data = None,
    jobs: Jobs = None,
    storage: Storage = None,
    token: Annotated[str, typer.Option(envvar="PRAXINO_DISCORD_TOKEN", help="Of the bot.", show_default=False)] = "",
    model: Annotated[str | None, typer.Option(help="To ask for.  [default: the first that is served]")] = None,
    per_minute: Annotated[int, typer.Option(min=0, help="Jobs that one user may ask for; 0: any number.")] = 4,
    per_day: Annotated[int, typer.Option(min=0)] = 50,
    at_a_time: Annotated[int, typer.Option(min=0)] = 2,
    quiet: Quiet = False,
) -> None:
    """Make and check films on Discord: /imagine, /film, /check; workers of the same jobs do them."""
    with terminal.needing("discord"):
        from praxino.service import access, desk
        from praxino.service import bot as discord
        from praxino.service.serve import Places

    terminal.hush(quiet)
    if not token:
        raise InputError("no token of a bot", "PRAXINO_DISCORD_TOKEN=... praxino bot")
    studio = access.Studio(*Places.of(data, jobs, storage).open(), default=model)
    discord.run(studio, desk.limits(per_minute, per_day, at_a_time, "normal"), token)


@app.command()
def inspect(path: Annotated[str, typer.Argument(help="A model folder, a file of weights, or OWNER/NAME.")]) -> None:
    """Say what a checkpoint is: its parts, parameters, types, licence, and what it needs."""
    from praxino.inspection import findings

    for name, value in findings(path):
        typer.echo(f"{name:<12} {value}")


@app.command()
def doctor() -> None:
    """Say what this machine has, and whether everything works."""
    from praxino.doctor import findings

    found = findings()
    for name, value in found:
        typer.echo(f"{name:<10} {value}")
    if any("FAILED" in value or "MISSING" in value for _, value in found):
        raise typer.Exit(1)


def _version(show: bool | None) -> None:
    if show:
        import praxino

        typer.echo(f"praxino {praxino.__version__}")
        raise typer.Exit


@app.callback()
def _top(version: Annotated[bool | None, typer.Option("--version", callback=_version, is_eager=True)] = None) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO, force=True)
    threading.excepthook = terminal.of_a_thread


def main() -> None:
    """Run the command line; every foreseen failure is one line on standard error."""
    terminal.run(app)
