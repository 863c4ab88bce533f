"""Films of tiny Wan models are those of the reference's pipelines, kind by kind."""

import numpy as np
import pytest
import tiny_wan
import torch
from PIL import Image

import praxino

SETTINGS = {"steps": 6, "frames": 9, "height": 64, "width": 96, "seed": 3}


@pytest.fixture(scope="module", name="pictures")
def _pictures(tmp_path_factory):
    """Two pictures of the film's size, so that neither side has to fit them."""
    folder = tmp_path_factory.mktemp("pictures")
    rows, columns = np.mgrid[0:64, 0:96]
    for name, phase in (("first", 0), ("last", 90)):
        picture = np.stack([rows * 3, columns * 2, (rows + columns + phase) % 256], axis=-1).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in ("first", "last")}


@pytest.mark.parametrize("kind", [*tiny_wan.KINDS, "ti2v from a picture"])
def test_films_are_those_of_the_reference(kind, tmp_path, pictures):
    from diffusers import WanImageToVideoPipeline

    kind, _, begun = kind.partition(" from ")
    reference = tiny_wan.pipeline(kind)
    reference.save_pretrained(tmp_path / kind)
    if begun:
        reference = WanImageToVideoPipeline(**reference.components, expand_timesteps=True)
        reference.set_progress_bar_config(disable=True)
    ours = praxino.load(tmp_path / kind, device="cpu", dtype="float32")
    files = {}
    if isinstance(reference, WanImageToVideoPipeline):
        files = {"image": pictures["first"]} | ({"last": pictures["last"]} if kind == "flf2v" else {})
    settings = SETTINGS | {name: str(path) for name, path in files.items()}
    request = ours.request("a red ball  bounces &amp; rolls", **settings)
    noise = ours.noise(request, torch.Generator().manual_seed(3))
    theirs = reference(
        prompt=request.prompt, negative_prompt=request.negative, num_inference_steps=6, num_frames=9, height=64,
        width=96, guidance_scale=request.guidance, latents=noise, output_type="pt",
        **({"guidance_scale_2": request.guidance_low} if "a14b" in kind else {}),
        **{name + ("_image" if name == "last" else ""): Image.open(path) for name, path in files.items()},
    ).frames[0]  # fmt: skip
    made = ours.generate(request.prompt, **settings).frames
    wanted = (theirs.permute(0, 2, 3, 1) * 255).round().numpy()
    assert wanted.std() > 5  # a gray film would agree with anything
    assert np.abs(made - wanted).max() <= 1
    assert np.abs(made - wanted).mean() < 0.01
