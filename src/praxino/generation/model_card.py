"""What requests are checked against, from the configs of a model."""

from typing import Literal

from praxino import edits
from praxino.cards import FLOW_MAP, ModelCard, ModelDefaults
from praxino.diffusion.sampling import SAMPLERS
from praxino.models.text import TextEncoder
from praxino.storage.weights.lazy import ModelParts


def model_card(model: ModelParts) -> ModelCard:
    """What requests are checked against, from the configs of a model."""
    config, dit, compression = model.config, model.dit.config, model.vae.config.compression
    last: Literal["none", "optional", "required"] = "optional"
    if dit.image_places:
        last = "required"
    elif model.vision is not None or config.pictures == "none":
        last = "none"
    return ModelCard(
        id=config.name,
        digest=model.digest,
        defaults=ModelDefaults(
            **{name: getattr(config, name) for name in ModelDefaults.model_fields}
        ),
        compression=(compression.time, compression.height, compression.width),
        patch=dit.patch,
        pictures=config.pictures != "none",
        needs_picture=config.pictures == "channels",
        last_picture=last,
        follows_picture=config.proportions,
        experts=2 if config.boundary else 1,
        samplers=(*SAMPLERS, *([FLOW_MAP] if model.student else [])),
        layout_edition=model.layout.config.edition if model.layout else 0,
        chooses=model.layout is not None and model.latent_reader is not None,
        edits=_tasks(model),
        slots=dit.slots,
        reference_frames=config.pictures == "control",
        stand_in=dit.picture_rank > 0,
        grammar=isinstance(model.vocabulary, TextEncoder),
        refines=model.refiner is not None,
        window=config.frames if config.windows else 0,
        student_steps=config.student_steps if model.student else 0,
        student_guidance=config.student_guidance,
    )


def _tasks(model: ModelParts) -> tuple[str, ...]:
    """What it can make of films."""
    if model.config.pictures in ("clean", "control"):
        tasks = tuple(task for task in edits.TASKS if task not in edits.WITH_REFINER)
    else:
        tasks = edits.ALONG
    return tasks if model.refiner is None else (*tasks, *edits.WITH_REFINER)
