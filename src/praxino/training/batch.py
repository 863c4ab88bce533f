"""What one step of a denoiser's training is given."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from praxino.models.pictures import Pictures
from praxino.training.tasks import TaskCondition


@dataclass(frozen=True)
class Auxiliary:
    """What a step's loss asks beside the error of the prediction.

    Attributes
    ----------
    grounding, routing, consistency : float
        Weights of the errors of `GroundingHead`, `RoutingLoss` and `ConsistencyLoss`.
    truth : (B, C', t, h, w), optional
        The layout that the head should find: the true one, whole.
    routes : (B, slots, t, h, w), optional
        How much of each place the individuals cover whose pictures are given, by slot.
    places : (M, 4), optional
        Where those individuals are in first frames (`training.consistency.places_of`).
    """

    grounding: float = 0.0
    routing: float = 0.0
    consistency: float = 0.0
    truth: Float[Tensor, "batch layout t h w"] | None = None
    routes: Float[Tensor, "batch slots t h w"] | None = None
    places: Float[Tensor, "things 4"] | None = None

    def to(self, device: torch.device) -> "Auxiliary":
        """Move its tensors to a device."""
        truth, routes, places = (
            None if part is None else part.to(device)
            for part in (self.truth, self.routes, self.places)
        )
        return replace(self, truth=truth, routes=routes, places=places)


@dataclass(frozen=True)
class Batch:
    """One step's data.

    Attributes
    ----------
    latents : (B, C, t, h, w)
    inputs : (B, C, t, h, w)
        What stands in the given places: the latents, or a history with noise on it.
    task : TaskCondition
        Which places are given, and the times that they are told.
    layout : (B, C', t, h, w), optional
    pictures : Pictures, optional
        Of individuals, which the sentences call by the names of their slots.
    weight : (B, 1, t, h, w)
        Of the error at each place, 1 on average.
    auxiliary : Auxiliary
    """

    latents: Float[Tensor, "batch channels t h w"]
    inputs: Float[Tensor, "batch channels t h w"]
    sentences: list[str]
    task: TaskCondition
    layout: Float[Tensor, "batch layout t h w"] | None
    pictures: Pictures | None
    weight: Float[Tensor, "batch 1 t h w"]
    auxiliary: Auxiliary

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        task = TaskCondition(
            self.task.clean.to(device), self.task.groups, self.task.times.to(device)
        )
        layout = None if self.layout is None else self.layout.to(device)
        pictures = None if self.pictures is None else self.pictures.to(device)
        latents, inputs, weight = (
            part.to(device) for part in (self.latents, self.inputs, self.weight)
        )
        return Batch(
            latents,
            inputs,
            self.sentences,
            task,
            layout,
            pictures,
            weight,
            self.auxiliary.to(device),
        )


@dataclass(frozen=True)
class LayoutChannels:
    """The layouts of a batch on its latents' places.

    Attributes
    ----------
    channels : (B, C', t, h, w), optional
        With boxes moved a little, some things and some whole layouts left out.
    true : (B, C', t, h, w), optional
    cover : (B, S, t, h, w)
        How much of each place each thing covers.
    boxes : (B, S, F, 4)
        Where each thing is in each frame.
    names : list of list
        What the sentences call the things of each clip, in the order of their slots; None for one
        that they do not name.
    """

    channels: Tensor | None
    true: Tensor | None
    cover: Tensor
    boxes: Tensor
    names: list[list[str | None]]
