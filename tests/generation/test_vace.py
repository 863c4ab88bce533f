"""Films by a control branch (VACE) are those of the reference: parts, frames, entities, all
together.
"""

import numpy as np
import pytest
import torch
from PIL import Image

import praxino
from praxino.errors import InputError
from praxino.generation.conditioning import control
from praxino.generation.films import GivenVideo
from praxino.generation.images import GivenImage
from praxino.models.vace import mask_channels
from praxino.provenance.policy import Provenance
from support import tiny_wan
from support.footage import textured

PLAIN = Provenance(watermark=False, credentials=False)
HEIGHT, WIDTH, FRAMES = 64, 96, 9
SETTINGS = {"steps": 4, "height": HEIGHT, "width": WIDTH, "seed": 3}
FILM = textured(FRAMES, HEIGHT, WIDTH)
PICTURES = textured(3, HEIGHT, WIDTH)[1:, ::-1]
BOX = (16, 48, 24, 72)
"""Top, bottom, left, right."""


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(wan_folder):
    return praxino.load(wan_folder("vace"), device="cpu", dtype="float32")


def reference(pipeline, request, noise, video, mask, pictures=()):
    """The reference's film; it puts its pictures in front in reverse."""
    theirs = tiny_wan.pipeline("vace")(
        prompt=pipeline.sentence(request),
        negative_prompt=request.negative,
        video=[Image.fromarray(frame) for frame in video],
        mask=[Image.fromarray(frame) for frame in mask],
        reference_images=[Image.fromarray(one) for one in pictures[::-1]] or None,
        num_inference_steps=request.steps,
        num_frames=request.frames,
        height=HEIGHT,
        width=WIDTH,
        guidance_scale=request.guidance,
        latents=noise,
        output_type="pt",
    ).frames[0]
    return (theirs.permute(0, 2, 3, 1) * 255).round().numpy()


def noise_of(pipeline, request, count=0):
    """Noise of a film, behind that of so many pictures, as it is drawn."""
    generator = torch.Generator().manual_seed(request.seed)
    noise = pipeline.noise(request, generator)
    size = (*noise.shape[:2], count, *noise.shape[3:])
    return torch.cat([torch.randn(size, generator=generator), noise], dim=2)


def masked(stay):
    """A film that is gray where it is made, and its mask, as the reference takes them."""
    film = np.where(stay[..., None], FILM, 128).astype(np.uint8)
    mask = np.repeat(np.where(stay[..., None], 0, 255), 3, axis=3).astype(np.uint8)
    return film, mask


def made(pipeline, edit=None, references=(), **settings):
    images = [GivenImage(f"{number}.png", picture, b"x") for number, picture in enumerate(PICTURES)]
    videos = [GivenVideo("a.mp4", FILM, 16.0)]
    request, _ = pipeline.complete(
        "a red ball", images, videos, **SETTINGS | settings, edit=edit, references=references
    )
    *_, last = pipeline.run(request, PLAIN, images, videos)
    return request, last.video.frames


def agree(ours, theirs, where=None):
    """Equal but for how 128 is no exact middle of gray."""
    assert theirs.std() > 5
    apart = np.abs(ours.astype(float) - theirs)
    apart = apart if where is None else apart[where]
    assert apart.mean() < 0.5
    assert apart.max() <= 8


def test_a_sentence_alone(pipeline):
    request, ours = made(pipeline, frames=FRAMES)
    theirs = reference(
        pipeline, request, noise_of(pipeline, request), *masked(np.zeros(FILM.shape[:3], bool))
    )
    agree(ours, theirs)


def test_a_part_of_the_picture(pipeline):
    top, bottom, left, right = BOX
    box = [left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT]
    edit = {"task": "inpaint", "video": "a.mp4", "boxes": [{"seconds": 0, "box": box}]}
    request, ours = made(pipeline, edit)
    stay = np.ones(FILM.shape[:3], bool)
    stay[:, top:bottom, left:right] = False
    theirs = reference(pipeline, request, noise_of(pipeline, request), *masked(stay))
    inside = ~stay
    inside[:, : top + 8] = inside[:, bottom - 8 :] = False  # what is beside the seam is feathered
    inside[:, :, : left + 8] = inside[:, :, right - 8 :] = False
    agree(ours, theirs, inside)
    assert np.array_equal(ours[stay], FILM[stay])


def test_entities_stand_before_the_film_in_their_order(pipeline):
    references = [
        {"name": "anna", "description": "a red dog", "pictures": ["0.png"]},
        {"name": "bob", "kind": "place", "description": "a garden", "pictures": ["1.png"]},
    ]
    request, ours = made(pipeline, references=references, frames=FRAMES)
    theirs = reference(
        pipeline,
        request,
        noise_of(pipeline, request, 2),
        *masked(np.zeros(FILM.shape[:3], bool)),
        pictures=PICTURES,
    )
    assert ours.shape == theirs.shape
    agree(ours, theirs)


def test_a_film_goes_on_with_an_entity(pipeline):
    edit = {"task": "extend", "video": "a.mp4", "context": 1}
    references = [{"name": "anna", "description": "a red dog", "pictures": ["0.png"]}]
    _, ours = made(pipeline, edit, references, frames=FRAMES)
    assert len(ours) == FRAMES + FRAMES - 1
    assert np.array_equal(ours[:FRAMES], FILM)


def test_pictures_at_the_ends_and_other_edits(pipeline, tmp_path):
    Image.fromarray(PICTURES[0]).save(tmp_path / "first.png")
    path = str(tmp_path / "first.png")
    _, ours = made(pipeline, image=path, last=path, frames=FRAMES)
    assert ours.shape == FILM.shape
    for edit in (
        {"task": "restyle", "video": "a.mp4", "strength": 0.5},
        {"task": "retake", "video": "a.mp4", "start": 0.2, "end": 0.3},
        {"task": "loop"},
    ):
        assert len(made(pipeline, edit, frames=FRAMES)[1]) >= FRAMES - 1
    references = [{"name": "anna", "description": "a dog", "pictures": ["0.png"]}]
    assert len(made(pipeline, {"task": "restyle", "video": "a.mp4"}, references)[1]) == FRAMES
    with pytest.raises(InputError, match="no loop with reference pictures"):
        made(pipeline, {"task": "loop"}, references, frames=FRAMES)


def test_a_control_says_what_the_reference_prepares(pipeline):
    theirs = tiny_wan.pipeline("vace")
    stay = np.random.default_rng(0).random(FILM.shape[:3]) < 0.5
    film, mask = masked(stay)
    video, new, pictures = theirs.preprocess_conditions(
        [Image.fromarray(frame) for frame in film],
        [Image.fromarray(frame) for frame in mask],
        [Image.fromarray(one) for one in PICTURES],
        1, HEIGHT, WIDTH, FRAMES, torch.float32, torch.device("cpu"),
    )  # fmt: skip
    with torch.inference_mode():
        latents = theirs.prepare_video_latents(video * (1 - new), new, pictures)
        wanted = torch.cat([latents, theirs.prepare_masks(new, pictures)], dim=1)
        images = [GivenImage(str(n), one) for n, one in enumerate(PICTURES[::-1])]
        vae = pipeline.model.vae.load(torch.float32)
        ours = control(film, stay, images, vae, torch.device("cpu"))
    assert ours.leading == 2
    torch.testing.assert_close(ours.control, wanted, atol=2e-4, rtol=1e-3)


def test_masks_keep_their_pixels_in_channels():
    mask = torch.zeros(9, 16, 24)
    mask[4:, 3, 9] = 1
    channels = mask_channels(mask, 4, 8, 8)
    assert channels.shape == (1, 64, 3, 2, 3)
    assert channels[0, 3 * 8 + 1, :, 0, 1].tolist() == [0, 1, 1]
    assert float(channels.sum()) == 2


def test_a_card_says_what_it_does(pipeline):
    card = pipeline.card
    assert (card.pictures, card.reference_frames, card.slots) == (True, True, 0)
    assert "outpaint" in card.edits
    assert card.defaults.shift == 3.0  # as the tiny model's scheduler says


@pytest.mark.slow
def test_a_plan_counts_the_branch_and_its_pictures(pipeline, tmp_path):
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    anna = {"name": "anna", "description": "a dog", "pictures": [str(tmp_path / "a.png")]}
    request = pipeline.request("a red ball", **SETTINGS, frames=FRAMES)
    more = pipeline.request("a red ball", **SETTINGS, frames=FRAMES, references=[anna])
    plans = [pipeline.plan(one, speed=False) for one in (request, more)]
    flops = [sum(stage.flops for stage in plan.stages) for plan in plans]
    assert flops[0] < flops[1]
    assert "pictures" in [stage.name for stage in plans[0].stages]


def test_a_film_with_pictures_is_restyled_by_its_latents(pipeline):
    known = GivenVideo("a.mp4", FILM, 16.0, sentence="a red ball")
    references = [{"name": "anna", "description": "a dog", "pictures": ["0.png"]}]
    images = [GivenImage("0.png", PICTURES[0], b"x")]
    edit = {"task": "restyle", "video": "a.mp4"}
    request, _ = pipeline.complete(
        "a dog", images, [known], **SETTINGS, edit=edit, references=references
    )
    *_, last = pipeline.run(request, PLAIN, images, [known])
    assert last.video.record["edit"]["source"] == ""
    alone, _ = pipeline.complete("a dog", [], [known], **SETTINGS, edit=edit)
    *_, last = pipeline.run(alone, PLAIN, [], [known])
    assert last.video.record["edit"]["source"] == "a red ball"


def test_what_goes_on_ends_with_a_picture(pipeline):
    images = [GivenImage("last.png", PICTURES[0], b"x")]
    request, _ = pipeline.complete(
        "a red ball", images, [GivenVideo("a.mp4", FILM, 16.0)], **SETTINGS,
        edit={"task": "extend", "video": "a.mp4", "context": 1}, last="last.png",
    )  # fmt: skip
    *_, end = pipeline.run(request, PLAIN, images, [GivenVideo("a.mp4", FILM, 16.0)])
    assert np.array_equal(end.video.frames[-1], PICTURES[0])
