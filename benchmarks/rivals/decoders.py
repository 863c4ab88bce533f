"""Decoders that no fit of the detector has met: the bundled model's autoencoder, and the small ones
that a run of ``praxino train detector`` trains beside its network.
"""

import functools
import hashlib
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from praxino.data.pixels import to_pixels, to_tensor
from praxino.models.forensic import round_trips
from praxino.models.vae import VAE
from praxino.storage.weights import bundle

Film = NDArray[np.uint8]
BUNDLED = "round trip"
"""The way through the bundled model's autoencoder."""
TRIP = "trip "
"""What the names of ways through small ones begin with: then a number and a file of weights."""

KINDS = {nn.Upsample: "resized", nn.ConvTranspose2d: "transposed", nn.PixelShuffle: "shuffled"}
"""What decoders of these layers are called."""


def small(run: Path, folder: Path) -> list[str]:
    """Ways through the small autoencoders of a run, whose weights are put into a folder under the
    name of their content.
    """
    (state,) = sorted(run.glob("step-*/state"))[-1:]
    with tempfile.TemporaryDirectory() as home:
        dcp_to_torch_save(state, Path(home) / "state.pt")
        tree = torch.load(Path(home) / "state.pt", weights_only=True)
    weights = _found(tree, "trips.0.squeeze.weight")
    weights = {key: weights[f"trips.{key}"].contiguous() for key in round_trips().state_dict()}
    digest = hashlib.sha256(b"".join(each.numpy().tobytes() for each in weights.values()))
    path = folder / f"decoders-{digest.hexdigest()[:12]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
    return [f"{TRIP}{number} {path}" for number in range(len(round_trips()))]


def _found(tree: object, key: str) -> dict[str, torch.Tensor]:
    """The innermost dictionary of a tree that has a key."""
    if isinstance(tree, dict):
        if key in tree:
            return tree
        for inner in tree.values():
            if found := _found(inner, key):
                return found
    return {}


def described(way: str) -> str:
    """A line's name for a way."""
    if way == BUNDLED:
        return "the bundled model's, 4x8x8"
    number, path = way.removeprefix(TRIP).split(" ", 1)
    trip = _trips(path)[int(number)]
    cell = 2 ** (len(trip.decoder) - 1)
    layer = next(one for one in trip.decoder.modules() if type(one) in KINDS)
    return f"{KINDS[type(layer)]}, {trip.frames}x{cell}x{cell}"


def decoded(film: Film, way: str) -> Film:
    """A film through the autoencoder of a way."""
    with torch.inference_mode():
        if way == BUNDLED:
            vae = _bundled()
            return to_pixels(vae.decode(vae.encode(to_tensor(film[None]))).float())[0]
        number, path = way.removeprefix(TRIP).split(" ", 1)
        film = film[: len(film) // 2 * 2]
        return to_pixels(_trips(path)[int(number)](to_tensor(film[None])).float())[0]


@functools.cache
def _bundled() -> VAE:
    return bundle.read_vae(bundle.BUNDLED / "diorama")


@functools.cache
def _trips(path: str) -> nn.ModuleList:
    trips = round_trips()
    trips.load_state_dict(load_file(path))
    return trips.eval()
