"""What a model makes, as requests are checked against it: all that a server needs to know of it."""

from typing import Final, Literal

from pydantic import Field

from praxino.config import Config

Recaption = Literal["off", "grammar", "llm"]
Enhance = Literal["off", "space", "time", "space,time"]
ENHANCED_AXES: Final = ("time", "space")
"""Axes along which a film can be enlarged, in the order in which it is: smaller films are faster to
refine.
"""
FLOW_MAP: Final = "flow-map"
"""The sampler of a model's student (`diffusion.sampling.flow_map`)."""
STEPS_PER_AXIS: Final = 6
"""Steps in which a film is refined along each of them."""


def axes_of(enhance: Enhance) -> tuple[str, ...]:
    """Along which axes films are enlarged, in this order."""
    return tuple(axis for axis in ENHANCED_AXES if axis in enhance.split(","))


class ModelDefaults(Config):
    """What a model makes where a request leaves it open, and its licence."""

    frames: int
    height: int
    width: int
    fps: float
    steps: int
    guidance: float
    sampler: str
    shift: float
    negative: str = ""
    licence: str = ""
    guidance_low: float | None = None
    recaption: Recaption = "off"
    enhance: Enhance = "off"


class ModelCard(Config):
    """What a request can be checked against without the model.

    Attributes
    ----------
    id : str
        The name by which the model is asked for.
    digest : str
        Names the weights.
    compression, patch : tuple of int
        Frames, rows and columns of one latent position, and of latents in one token.
    pictures, needs_picture : bool
        Whether a film can begin with a given picture, and whether it must.
    last_picture : str
        Whether it can end with one.
    follows_picture : bool
        Whether films of any proportions can be made, and so those of a given picture.
    experts : int
        2 for models with a second denoiser at low noise.
    layout_edition : int
        Edition of the world whose layouts the model takes; 0 for none.
    chooses : bool
        Whether it can keep the best of several films.
    edits : tuple of str
        Tasks that it can do (`praxino.edits`).
    slots : int
        Entities whose pictures it can be given beside a word for each; 0 for none.
    reference_frames : bool
        Whether it can be given pictures of entities as frames.
    stand_in : bool
        Whether it is shown one picture of one character, for whom it has no word.
    grammar : bool
        Whether the grammar of the diorama speaks of what it shows.
    refines : bool
        Whether it has a refiner, which makes its films larger and faster.
    window : int
        Frames that it makes at a time of a longer film; 0: all at once.
    student_steps, student_guidance : int, (float, float)
        Steps up to which its student makes a film where no sampler is named, and the least and the
        largest guidance that it takes; 0 steps: it has none.
    """

    id: str
    digest: str
    defaults: ModelDefaults
    compression: tuple[int, int, int] = Field(strict=False)
    patch: tuple[int, int, int] = Field(strict=False)
    pictures: bool
    needs_picture: bool
    last_picture: Literal["none", "optional", "required"] = "none"
    follows_picture: bool = True
    experts: int
    samplers: tuple[str, ...] = Field(strict=False)
    layout_edition: int = 0
    chooses: bool = False
    edits: tuple[str, ...] = Field((), strict=False)
    slots: int = 0
    reference_frames: bool = False
    stand_in: bool = False
    grammar: bool = False
    refines: bool = False
    window: int = 0
    student_steps: int = 0
    student_guidance: tuple[float, float] = Field((1.0, 1.0), strict=False)
