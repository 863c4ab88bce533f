"""``praxino cost``: what a training run would take, before a machine is rented."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from praxino.cli import batch
from praxino.errors import InputError

if TYPE_CHECKING:
    from praxino.training.cost import Cost, Machine, Staircase
    from praxino.training.dry_run import DryRun

MAX_FILE_BYTES: Final = 2**20
SHARDS: Final = (1, 8, 64, 512)
MAX_DRY_RUN: Final = 20_000
GIGA: Final = 1e9
TERA: Final = 1e12


def cost(
    recipe: Annotated[
        str, typer.Argument(help="diorama, 10b, 1b, or a JSON file (docs/scale.md).")
    ] = "10b",
    gpus: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many work at once.")] = 64,
    price: Annotated[float, typer.Option(min=0, help="Of a GPU for an hour.")] = 2.0,
    peak: Annotated[
        float, typer.Option(help="10^12 operations a second of a GPU, dense, bfloat16.")
    ] = 989.0,
    share: Annotated[float, typer.Option(help="Part of the peak that a run reaches.")] = 0.3,
    watts: Annotated[float, typer.Option(min=0, help="Of a GPU at work.")] = 700.0,
    megabits: Annotated[float, typer.Option(help="Of a second of the films.")] = 2.5,
    replicas: Annotated[
        int, typer.Option(min=1, help="Groups of GPUs that keep all weights together.")
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Divide weights and order among as many processes.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Say what training would take: operations, days, memory, bytes, money and energy."""
    from pydantic import TypeAdapter

    from praxino.plain import parse_plain
    from praxino.training import cost as costs

    if gpus % replicas:
        raise InputError(f"{gpus} GPUs in {replicas} replicas: must divide evenly", "--replicas")
    fields = {"peak": peak, "share": share, "watts": watts, "megabits": megabits}
    machine = parse_plain(
        TypeAdapter(costs.Machine), fields, "the machine", "", "praxino cost --help"
    )
    staircase = _staircase(recipe)
    counts = sorted({*(count for count in SHARDS if count < gpus), gpus // replicas})
    result = costs.cost(staircase, machine, price, counts)
    if json:
        typer.echo(TypeAdapter(costs.Cost).dump_json(result, indent=1).decode())
    else:
        typer.echo(_text(staircase, result, machine, gpus, price))
    if dry_run:
        if gpus // replicas < 2:
            raise InputError("--dry-run divides weights among two processes or more", "--gpus 64")
        if gpus > MAX_DRY_RUN:
            raise InputError(f"--dry-run of {gpus} processes: at most {MAX_DRY_RUN}", "--gpus")
        from praxino.training.dry_run import dry_run as run
        from praxino.training.parallel import ParallelConfig

        parallel = ParallelConfig(replicas=replicas)
        typer.echo(_ran(run(staircase.network, gpus, parallel), gpus, gpus // replicas), err=json)


def _staircase(name: str) -> "Staircase":
    """The named staircase, that of a recipe, or of a file."""
    from pydantic import TypeAdapter

    from praxino import recipes
    from praxino.errors import UnknownNameError
    from praxino.plain import parse_plain, read_json
    from praxino.training import staircases
    from praxino.training.cost import Staircase

    if name in staircases.STAIRCASES:
        return staircases.STAIRCASES[name]()
    if name in recipes.RECIPES:
        return staircases.of_recipe(name, recipes.recipe(name))
    if name.endswith(".json"):
        hint = "docs/scale.md has an example"
        tree = read_json(Path(name), MAX_FILE_BYTES, hint)
        return parse_plain(TypeAdapter(Staircase), tree, name, "", hint)
    raise UnknownNameError("recipe", name, [*staircases.STAIRCASES, *recipes.RECIPES])


def _text(
    staircase: "Staircase", result: "Cost", machine: "Machine", gpus: int, price: float
) -> str:
    """Tables for people, and what they assume."""
    head = ("step", "clips", "tokens", "FLOP", "GPU-days", f"days on {gpus}", "money", "MWh",
            "GB a clip", "latents TB", "text TB", "films TB")  # fmt: skip
    rows = [head]
    for one in result.steps:
        rows.append(
            (
                one.step.name,
                f"{one.step.clips * one.step.epochs:.3g}",
                str(one.tokens),
                f"{one.flop:.2e}",
                f"{one.gpu_days:,.4g}",
                f"{one.gpu_days / gpus:,.3g}",
                f"{one.money:,.0f}",
                f"{one.kilowatt_hours / 1000:,.3g}",
                f"{one.activation_bytes / GIGA:.2g}",
                f"{one.latent_bytes / TERA:.3g}",
                f"{one.text_bytes / TERA:.3g}",
                f"{one.film_bytes / TERA:.3g}",
            )
        )
    days = sum(one.gpu_days for one in result.steps)
    total = (
        "all", "", "", f"{sum(one.flop for one in result.steps):.2e}", f"{days:,.4g}",
        f"{days / gpus:,.3g}", f"{sum(one.money for one in result.steps):,.0f}",
        f"{sum(one.kilowatt_hours for one in result.steps) / 1000:,.3g}", "", "", "", "",
    )  # fmt: skip
    memory = [("weights divided among", "GB of weights and states on the fullest GPU")]
    memory += [(f"{count}", f"{size / GIGA:,.3g}") for count, size in result.state_bytes.items()]
    return "\n".join(
        [
            f"{staircase.name}: {result.parameters / GIGA:.2f} B parameters",
            "",
            batch.table([*rows, total]),
            "",
            batch.table(memory),
            "",
            f"{result.working_bytes / GIGA:,.3g} GB more for blocks at work, and its clips",
            f"a checkpoint: {result.checkpoint_bytes / GIGA:,.3g} GB",
            f"assumed: {machine.share:g} of {machine.peak:g} TFLOP/s, {price:g} an hour, "
            f"{machine.watts:g} W a GPU and {machine.overhead:g} times that for the building, "
            f"films of {machine.megabits:g} Mbit/s; docs/scale.md says what was checked",
        ]
    )


def _ran(run: "DryRun", gpus: int, shards: int) -> str:
    least, most = min(run.parts.values()), max(run.parts.values())
    return (
        f"\n{gpus} processes that are not there: {len(run.parts)} of them keep "
        f"{least / 1e6:,.1f} to {most / 1e6:,.1f} M of {run.parameters / 1e6:,.0f} M weights "
        f"(evenly: {run.parameters / shards / 1e6:,.1f} M); {run.clips} micro-batches, each once"
    )
