"""A film with a Stand-In file: the picture is seen, by one entity alone, in every dialect of its
names; files that do not fit are refused.
"""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import praxino
from praxino.errors import CheckpointError, InputError
from praxino.generation import entities
from praxino.generation.images import GivenImage
from praxino.provenance.policy import Provenance
from praxino.references import Reference
from praxino.storage.weights import lora_names
from support import tiny_models
from support.footage import textured

PLAIN = Provenance(watermark=False, credentials=False)
SETTINGS = {"steps": 2, "height": 64, "width": 64, "frames": 5, "seed": 3}
IMAGES = [GivenImage(f"{n}.png", one, b"x") for n, one in enumerate(textured(3, 64, 64))]
ANNA = Reference(name="anna", kind="character", description="a woman", pictures=("0.png",))
WIDTH, LAYERS, RANK = 48, 2, 4


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(wan_folder):
    return praxino.load(wan_folder("t2v"), device="cpu", dtype="float32")


def tensors(prefix="", layers=LAYERS, width=WIDTH, size=0.3):
    torch.manual_seed(0)
    return {
        f"{prefix}blocks.{layer}.self_attn.{of}_loras.{half}.weight": size
        * torch.randn((RANK, width) if half == "down" else (width, RANK))
        for layer in range(layers)
        for of in "qkv"
        for half in ("down", "up")
    }


@pytest.fixture(name="branch")
def _branch(tmp_path):
    path = tmp_path / "Stand-In.ckpt"
    torch.save({"state_dict": tensors(), "global_step": 3}, path)
    return path


def film(pipeline, *loras, references=(ANNA,), **settings):
    request, notes = pipeline.complete(
        "@anna walks" if references else "a woman walks",
        IMAGES,
        **SETTINGS | settings,
        loras=loras,
        references=references,
    )
    *_, last = pipeline.run(request, PLAIN, IMAGES)
    return last.video.frames.astype(int), notes


def test_the_picture_is_seen_and_nothing_else_changes(pipeline, branch):
    file = str(branch)
    seen, notes = film(pipeline, file)
    assert not any("given no picture" in note for note in notes)
    other, _ = film(pipeline, file, references=[ANNA.model_copy(update={"pictures": ("1.png",)})])
    without, _ = film(pipeline, references=[])
    unused, _ = film(pipeline, file, references=[])
    assert np.array_equal(without, unused)
    assert np.abs(seen - without).max() > 2
    assert np.abs(seen - other).max() > 0
    weak, _ = film(pipeline, f"{file}:0.5")
    assert np.abs(weak - seen).max() > 0


def test_of_two_entities_the_first_is_shown_and_the_second_described(pipeline, branch):
    two = Reference(name="ben", kind="character", description="a man", pictures=("1.png", "2.png"))
    request, notes = pipeline.complete(
        "@anna meets @ben", IMAGES, **SETTINGS, loras=[str(branch)], references=[ANNA, two]
    )
    assert pipeline.sentence(request) == "a woman meets a man"
    assert any("no picture of @ben" in note for note in notes)
    card = pipeline.card_with(request.loras)
    assert entities.stand_in(request, card) == request.references[0]
    _, notes = film(pipeline, str(branch), references=[two.model_copy(update={"name": "anna"})])
    assert any("first picture of @anna" in note for note in notes)


def test_a_guidance_of_its_own(pipeline, branch):
    same, _ = film(pipeline, str(branch), guidance=4.0)
    more, _ = film(pipeline, str(branch), guidance=4.0, reference_guidance=8.0)
    assert np.abs(same - more).max() > 2


def test_other_tools_names_mean_the_same(pipeline, branch, tmp_path):
    expected, _ = film(pipeline, str(branch))
    comfy = tmp_path / "comfy.safetensors"
    save_file(tensors("diffusion_model."), comfy)
    assert np.array_equal(film(pipeline, str(comfy))[0], expected)
    theirs = tmp_path / "diffusers.safetensors"
    renamed = {
        name.replace("self_attn.", "attn1.add_").replace("_loras.", "_lora."): tensor
        for name, tensor in tensors().items()
    }
    save_file(renamed, theirs)
    assert np.array_equal(film(pipeline, str(theirs))[0], expected)
    assert lora_names.kind_of(renamed) == "Stand-In"
    assert len(lora_names.pairs_in(renamed)) == 3 * LAYERS


def test_beside_a_lora_and_in_eight_bits(wan_folder, branch, tmp_path):
    lora = tmp_path / "lora.safetensors"
    stem = "diffusion_model.blocks.0.self_attn.q.lora_"
    save_file(
        {f"{stem}down.weight": torch.randn(2, WIDTH), f"{stem}up.weight": torch.randn(WIDTH, 2)},
        lora,
    )
    pipeline = praxino.load(wan_folder("t2v"), device="cpu", dtype="int8")
    alone, _ = film(pipeline, str(branch))
    for order in ((str(branch), str(lora)), (str(lora), str(branch))):
        both, _ = film(pipeline, *order)
        assert np.abs(both - alone).max() > 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (tensors(layers=LAYERS + 1), "for another model"),
        (tensors(width=WIDTH + 6), "for another model"),
        ({**tensors(), "head.weight": torch.ones(2)}, "none of Stand-In"),
        (dict(list(tensors().items())[1:]), "missing"),
    ],
)
def test_files_that_do_not_fit_are_refused(pipeline, tmp_path, content, problem):
    path = tmp_path / "bad.safetensors"
    save_file(content, path)
    with pytest.raises(CheckpointError, match=problem):
        film(pipeline, str(path))


def test_a_model_with_pictures_of_its_own_needs_no_branch(tmp_path, branch):
    tiny_models.with_slots(tmp_path / "slots")
    pipeline = praxino.load(tmp_path / "slots", device="cpu", dtype="float32")
    with pytest.raises(CheckpointError, match="pictures of characters already"):
        pipeline.complete("a dog", loras=[str(branch)])


def test_beside_a_control_branch_and_its_own_pictures(wan_folder, tmp_path):
    path = tmp_path / "Stand-In.safetensors"
    save_file(tensors(layers=3), path)
    pipeline = praxino.load(wan_folder("vace"), device="cpu", dtype="float32")
    house = Reference(name="house", kind="place", description="a house", pictures=("2.png",))
    both, notes = film(pipeline, str(path), references=[ANNA, house])
    assert not any("given no picture" in note for note in notes)
    framed, _ = film(pipeline, references=[house, ANNA.model_copy(update={"pictures": ()})])
    assert np.abs(both - framed).max() > 0


def test_of_two_experts_both_take_it(wan_folder, branch):
    pipeline = praxino.load(wan_folder("t2v-a14b"), device="cpu", dtype="float32")
    for one in ("high", "low"):
        with pytest.raises(InputError, match="both take Stand-In"):
            film(pipeline, f"{one}={branch}")
    both, _ = film(pipeline, f"high={branch}", f"low={branch}")
    without, _ = film(pipeline, references=[])
    assert np.abs(both - without).max() > 2
