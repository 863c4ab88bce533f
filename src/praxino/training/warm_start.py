"""Weights of a trained network for one that is a little different: more words, slots, spans."""

from collections.abc import Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.models.dit import DiT, DiTConfig
from praxino.models.embeddings import sinusoid
from praxino.models.text import TextConfig, TextEncoder

RIDGE: Final = 1e-3
"""Ridge of the fit of `rescale_times`, against features of 0.5 mean square."""


def adapt_denoiser(
    network: DiT, tensors: Mapping[str, Tensor], config: DiTConfig
) -> dict[str, Tensor]:
    """Weights for a network from those of one of this kind, perhaps without layouts, portraits,
    slots or spans.

    It then computes what that one does, to the bit where both have one ``time_scale`` and
    nearly where not; where a step ends is embedded as where it begins.

    Parameters
    ----------
    config : DiTConfig
        Of the network whose weights ``tensors`` are.
    """
    tensors = dict(tensors)
    for name in ("time_embedding", "span_embedding"):
        if config.time_scale != network.config.time_scale and f"{name}.0.weight" in tensors:
            first = tensors[f"{name}.0.weight"], tensors[f"{name}.0.bias"]
            first = rescale_times(*first, config.time_scale, network.config.time_scale)
            tensors[f"{name}.0.weight"], tensors[f"{name}.0.bias"] = first
    if "slot_embedding" in tensors:
        gain = config.slot_gain / network.config.slot_gain
        tensors["slot_embedding"] = gain * tensors["slot_embedding"]
    parts = ("layout_embedding", "slot_embedding", "span_embedding", "guidance_embedding")
    if "layout_embedding.weight" in tensors and network.layout_embedding is not None:
        columns = tensors["layout_embedding.weight"]
        more = network.layout_embedding.in_features - columns.shape[1]
        tensors["layout_embedding.weight"] = F.pad(columns, (0, more))
    missing = {
        name: tensor for name, tensor in network.state_dict().items() if name.startswith(parts)
    }
    for name in missing:
        if name.startswith("span_embedding"):
            missing[name] = tensors[name.replace("span_embedding", "time_embedding")]
    return {**missing, **tensors}


def adapt_text(
    network: TextEncoder, tensors: Mapping[str, Tensor], config: TextConfig
) -> dict[str, Tensor]:
    """Weights for an encoder from those of one of another vocabulary or length.

    Words and places that both know keep their vectors; the others keep those that it has
    now.
    """
    words, places = network.words.weight.detach().clone(), network.places.detach().clone()
    theirs = {word: i + 1 for i, word in enumerate(config.vocabulary)}
    both = [(network.ids[word], row) for word, row in theirs.items() if word in network.ids]
    mine, former = (torch.tensor([0, *ids]) for ids in zip(*both, strict=True))
    words[mine] = tensors["words.weight"][former].to(words.dtype)
    length = min(len(places), len(tensors["places"]))
    places[:length] = tensors["places"][:length]
    return {**tensors, "words.weight": words, "places": places}


def rescale_times(weight: Tensor, bias: Tensor, old: float, new: float) -> tuple[Tensor, Tensor]:
    """The first layer of a time embedding, (D, F) and (D,), for features ``sinusoid(new * t)`` in
    place of ``old * t``.

    Ridge regression over times from 0 to 1. Sinusoids of a thousand t turn faster than a trained
    network makes use of; slower ones give nearly the same embedding, and one that can be
    differentiated by time.
    """
    t, count = torch.linspace(0, 1, 8192), weight.shape[1]
    target = sinusoid(old * t, count).double() @ weight.double().T + bias.double()
    x = F.pad(sinusoid(new * t, count).double(), (0, 1), value=1.0)
    gram = x.T @ x / len(x) + RIDGE * torch.eye(count + 1, dtype=torch.float64)
    fitted = torch.linalg.solve(gram, x.T @ target / len(x)).T  # (D, F + 1)
    return fitted[:, :-1].to(weight.dtype), fitted[:, -1].to(bias.dtype)


def adapt_refiner(network: DiT, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights for a refiner from those of a denoiser of its sizes: it then predicts what that one
    does without a layout, whatever stands in the channels beside the noisy latents.
    """
    own = network.state_dict()
    shared = {name: tensor for name, tensor in tensors.items() if name in own}
    first = shared["patch_embedding.weight"]
    more = own["patch_embedding.weight"].shape[1] - first.shape[1]
    return shared | {"patch_embedding.weight": F.pad(first, (0, more))}
