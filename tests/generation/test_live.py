"""Films without end: how long they go on, what turns them, how they are kept."""

import itertools

import numpy as np
import pytest
import torch

import praxino
from praxino.errors import InputError, MediaError
from praxino.generation import live
from praxino.generation.images import GivenImage
from praxino.generation.turns import Turns
from praxino.provenance.policy import Provenance
from praxino.provenance.verify import verify
from praxino.references import Reference
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video

PLAIN = Provenance(watermark=False, credentials=False)


@pytest.fixture(name="pipeline")
def _pipeline(windowed):
    return windowed


def test_a_live_film_goes_on_and_turns(pipeline, windows):
    first = pipeline.request("a red ball", seed=3)
    second = pipeline.request("a blue cat at night", seed=3)
    wanted = itertools.chain(itertools.repeat(first, 3), itertools.repeat(second))
    chunks = list(itertools.islice(live.live(pipeline, wanted, PLAIN), 6))
    assert [chunk.start for chunk in chunks] == [0, 17, 25, 33, 41, 49]
    assert [chunk.record["prompt"] for chunk in chunks] == 3 * [first.prompt] + 3 * [second.prompt]
    assert torch.equal(windows[1].text, windows[2].text)
    assert not torch.equal(windows[2].text, windows[3].text)
    assert [one.layout.shape[2] for one in windows] == 6 * [5]
    again = live.live(pipeline, itertools.repeat(first), PLAIN)
    assert np.array_equal(next(again).frames, chunks[0].frames)
    assert not list(live.live(pipeline, [], PLAIN))


def test_a_live_film_takes_no_end_and_no_beginning(pipeline, tiny_model, tmp_path):
    name = str(Video(np.zeros((1, 32, 32, 3), np.uint8), 1.0).save(tmp_path / "a.png"))
    with pytest.raises(InputError, match="image: a film without end takes none"):
        next(live.live(pipeline, [pipeline.request("a red ball", image=name)], PLAIN))
    other = praxino.load(tiny_model)
    with pytest.raises(InputError, match="tiny makes a film at once"):
        next(live.live(other, [other.request("a red ball")], PLAIN))


def test_it_is_saved_whole_and_signed(pipeline, tmp_path):
    requests = [pipeline.request(prompt, seed=3) for prompt in ("a red ball", "a cat", "a cat")]
    path = live.save(live.live(pipeline, requests), tmp_path / "film.mp4")
    film = read_video(path)
    assert film.frames.shape == (33, 32, 32, 3)
    assert film.record["prompts"] == [[0, "a red ball"], [17, "a cat"]]
    assert film.record["frames"] == 33
    assert len(film.record["watermark"]) == 12
    assert verify(path).outcome == "signed"


def test_nothing_is_left_of_one_that_fails(pipeline, tmp_path):
    def failing():
        yield pipeline.request("a red ball")
        raise MediaError("gone", "")

    with pytest.raises(MediaError):
        live.save(live.live(pipeline, failing(), PLAIN), tmp_path / "film.mp4", PLAIN)
    with pytest.raises(InputError, match="without a frame"):
        live.save(iter(()), tmp_path / "film.mp4", PLAIN)
    assert not list(tmp_path.iterdir())


def test_every_request_is_checked(pipeline, tmp_path):
    name = str(Video(np.zeros((1, 32, 32, 3), np.uint8), 1.0).save(tmp_path / "a.png"))
    requests = [pipeline.request("a red ball"), pipeline.request("a red ball", image=name)]
    chunks = live.live(pipeline, requests, PLAIN)
    assert len(next(chunks).frames) == 17
    with pytest.raises(InputError, match="image: a film without end takes none"):
        next(chunks)


def test_a_character_may_be_called(pipeline, tmp_path):
    """What this model does with its picture is another matter."""
    name = str(Video(np.zeros((1, 32, 32, 3), np.uint8), 1.0).save(tmp_path / "a.png"))
    rex = Reference(name="rex", kind="animal", description="a dog", pictures=(name,))
    request = pipeline.request("@rex runs", references=(rex,))
    assert len(next(live.live(pipeline, [request], PLAIN)).frames) == 17


def test_a_film_turns_to_what_can_be_shown(pipeline, caplog):
    sentences = iter(["", "@nobody runs", "a cat", "a dog"])
    turns = Turns(pipeline, pipeline.request("a red ball"), lambda: next(sentences))
    requests = iter(turns)
    shown = []
    for frames in (0, 17, 25, 33):
        turns.frames = frames
        shown.append(next(requests).prompt)
    assert shown == ["a red ball", "a red ball", "a cat", "a dog"]
    assert turns.prompts == [(0, "a red ball"), (25, "a cat"), (33, "a dog")]
    assert [sentence for sentence, _ in turns.refused] == ["@nobody runs"]
    assert "not shown: " in caplog.text
    assert turns.record["layout"] is None


def test_what_turns_at_once_was_never_shown(pipeline):
    turns = Turns(pipeline, pipeline.request("a red ball"), lambda: "a cat")
    assert next(iter(turns)).prompt == "a cat"
    assert turns.record["prompts"] == [(0, "a cat")]


def test_pictures_and_names_are_those_of_the_film(pipeline, tmp_path):
    Video(np.zeros((1, 32, 32, 3), np.uint8), 1.0).save(tmp_path / "a.png")
    image = GivenImage.read(tmp_path / "a.png", "input.png")
    rex = Reference(name="rex", kind="animal", description="a dog", pictures=("input.png",))
    request, _ = pipeline.complete(
        "@rex runs", image="input.png", references=(rex,), frames=33, images=[image]
    )
    said = iter(["", "a cat runs"])
    *_, film = pipeline.run(request, PLAIN, [image], turn=lambda: next(said, ""))
    assert film.video.record["prompts"] == [(0, "@rex runs"), (17, "a cat runs")]
    assert "refused" not in film.video.record
    assert np.array_equal(film.video.frames[0], image.pixels)
