"""Films of tiny Wan models are those of the reference's pipelines, kind by kind."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import praxino
from praxino.errors import CheckpointError, GenerationError, InputError, MediaError
from support import tiny_wan

SETTINGS = {"steps": 6, "frames": 9, "height": 64, "width": 96, "seed": 3}


@pytest.fixture(scope="module", name="pictures")
def _pictures(tmp_path_factory):
    """Two pictures of the film's size, so that neither side has to fit them."""
    folder = tmp_path_factory.mktemp("pictures")
    rows, columns = np.mgrid[0:64, 0:96]
    for name, phase in (("first", 0), ("last", 90)):
        picture = np.stack([rows * 3, columns * 2, (rows + columns + phase) % 256], axis=-1).astype(
            np.uint8
        )
        Image.fromarray(picture).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in ("first", "last")}


@pytest.mark.parametrize(
    "kind",
    [
        "t2v",
        "i2v-a14b",
        pytest.param("ti2v from a picture", marks=pytest.mark.slow),
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in tiny_wan.KINDS
            if kind not in ("t2v", "i2v-a14b")
        ),
    ],
)
def test_films_are_those_of_the_reference(kind, wan_folder, pictures):
    from diffusers import WanImageToVideoPipeline

    kind, _, begun = kind.partition(" from ")
    reference = tiny_wan.pipeline(kind)
    if begun:
        reference = WanImageToVideoPipeline(**reference.components, expand_timesteps=True)
        reference.set_progress_bar_config(disable=True)
    ours = praxino.load(wan_folder(kind), device="cpu", dtype="float32")
    files = {}
    if isinstance(reference, WanImageToVideoPipeline):
        files = {"image": pictures["first"]} | (
            {"last": pictures["last"]} if kind == "flf2v" else {}
        )
    settings = SETTINGS | {name: str(path) for name, path in files.items()}
    request = ours.request("a red ball  bounces &amp; rolls", **settings)
    noise = ours.noise(request, torch.Generator().manual_seed(3))
    theirs = reference(
        prompt=request.prompt,
        negative_prompt=request.negative,
        num_inference_steps=6,
        num_frames=9,
        height=64,
        width=96,
        guidance_scale=request.guidance,
        latents=noise,
        output_type="pt",
        **({"guidance_scale_2": request.guidance_low} if "a14b" in kind else {}),
        **{
            name + ("_image" if name == "last" else ""): Image.open(path)
            for name, path in files.items()
        },
    ).frames[0]
    *_, last = ours.run(request, None)
    made = ours.decode(last.x0)  # given pictures are put back as they were
    wanted = (theirs.permute(0, 2, 3, 1) * 255).round().numpy()
    assert wanted.std() > 5  # a gray film would agree with anything
    assert np.abs(made - wanted).max() <= 1
    assert np.abs(made - wanted).mean() < 0.01


@pytest.fixture(scope="module", name="t2v")
def _t2v(wan_folder):
    return wan_folder("t2v")


SMALL = {"steps": 2, "frames": 5, "height": 64, "width": 64}


def test_bfloat16_keeps_what_must_stay_float32(t2v):
    ours = praxino.load(t2v, device="cpu", dtype="bfloat16")
    with ours.offloader.resident(ours.model.dit, ours.dtype) as dit:
        types = {name: p.dtype for name, p in dit.named_parameters()}
    assert types["blocks.0.attention.q.weight"] == torch.bfloat16
    kept = (
        "time_embedding.0.weight",
        "time_projection.weight",
        "modulation",
        "blocks.0.norm2.weight",
    )
    assert {types[name] for name in kept} == {torch.float32}
    exact = praxino.load(t2v, device="cpu", dtype="float32").generate("a cat", **SMALL).frames
    made = ours.generate("a cat", **SMALL).frames
    assert (
        np.abs(made.astype(float) - exact).mean() < 8
    )  # two steps of a random network, in 8 bits of mantissa


def test_networks_leave_after_their_stage(t2v):
    ours = praxino.load(t2v, device="cpu", dtype="float32")
    loaded = []
    plain = ours.offloader.resident

    def watched(part, dtype, streamed=False):
        loaded.append(type(part.build()).__name__)
        return plain(part, dtype, streamed)

    ours.offloader.resident = watched
    ours.generate("a cat", **SMALL)
    assert loaded == ["UMT5", "DiT", "VAE"]
    assert ours.offloader._loaded == {}


def test_a_step_that_is_not_finite_stops_the_film(t2v, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(t2v, tmp_path / "broken")
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["proj_out.bias"][0] = float("nan")
    save_file(tensors, file)
    with pytest.raises(GenerationError, match="step 1 of 2 is not finite"):
        praxino.load(folder, device="cpu").generate("a cat", **SMALL)


def test_a_sketch_of_the_film_while_it_forms(t2v):
    ours = praxino.load(t2v, device="cpu", dtype="float32")
    first, last = ours.stream("a cat", **SMALL)
    assert first.preview().shape == (5, 64, 64, 3)
    assert np.array_equal(last.preview(), last.video.frames)


def test_a_film_that_is_stopped_is_kept(t2v):
    ours = praxino.load(t2v, device="cpu", dtype="float32")
    states = ours.stream("a cat", **SMALL)
    film = next(states).finish()
    states.close()
    assert film.frames.shape == (5, 64, 64, 3)
    assert film.record["stopped"] == 1


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("t2v", {"image": "first"}, "films from text only"),
        ("t2v", {"last": "first"}, "a last frame without a first one"),
        ("t2v", {"frames": 6}, "4k\\+1"),
        ("t2v", {"guidance_low": 2.0}, "no second expert"),
        ("t2v", {"height": 72}, "multiple of 16"),
        ("t2v-a14b", {"guidance_low": -1.0}, "guidance_low"),
        ("t2v", {"loras": ("low=x.safetensors",)}, "has no experts"),
        ("t2v", {"loras": ("x.safetensors",)}, "is not there"),
        ("i2v", {}, "begins with a picture"),
        ("i2v", {"image": "first", "last": "last"}, "takes no last frame"),
        ("i2v", {"image": "first", "frames": 1}, "an image cannot continue an image"),
        ("flf2v", {"image": "first"}, "from a first to a last frame"),
        ("i2v", {"image": "nowhere"}, "no such file"),
    ],
)
def test_what_a_model_cannot_do(kind, settings, said, wan_folder, pictures):
    ours = praxino.load(wan_folder(kind), device="cpu")
    named = {
        k: str(pictures.get(v, v)) if k in ("image", "last") else v for k, v in settings.items()
    }
    with pytest.raises((InputError, CheckpointError, MediaError), match=said):
        ours.request("a cat", **{**SMALL, **named})


def test_sentences_too_long_are_said_not_cut(t2v):
    ours = praxino.load(t2v, device="cpu")
    with pytest.raises(InputError, match="tokens: at most 512"):
        ours.request("x y " * 400, **SMALL)


def test_a_film_from_a_picture_has_its_proportions(wan_folder, pictures, tmp_path, caplog):
    ours = praxino.load(wan_folder("i2v"), device="cpu")
    usual, unit = ours.model.config, 16
    Image.fromarray(np.zeros((90, 60, 3), np.uint8)).save(tmp_path / "tall.png")
    tall = ours.request("a cat", frames=5, image=str(tmp_path / "tall.png"))
    assert tall.height / tall.width == pytest.approx(1.5, rel=0.06)
    assert tall.height * tall.width == pytest.approx(usual.height * usual.width, rel=0.06)
    assert tall.height % unit == tall.width % unit == 0
    assert f"a film of {tall.width}x{tall.height}, after the picture" in caplog.text
    asked = ours.request("a cat", frames=5, image=str(tmp_path / "tall.png"), height=64, width=96)
    assert (asked.height, asked.width) == (64, 96)


def test_a_picture_that_no_film_can_follow(wan_folder, tmp_path):
    ours = praxino.load(wan_folder("i2v"), device="cpu")
    Image.fromarray(np.zeros((400, 2, 3), np.uint8)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"thin.png is 2x400: too narrow for a film"):
        ours.request("a cat", frames=5, image=str(tmp_path / "thin.png"))
