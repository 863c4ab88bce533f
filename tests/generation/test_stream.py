"""Films that are longer than a window, and films without end: what each window is given, what is
kept, what a changed sentence changes.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

import praxino
from praxino.errors import InputError, MediaError
from praxino.generation import stream
from praxino.generation.layout import LayoutStream
from praxino.layout import Box
from praxino.provenance.policy import Provenance
from praxino.provenance.verify import verify
from praxino.shapes import VideoShape
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video
from support import tiny_models

PLAIN = Provenance(watermark=False, credentials=False)
SHAPE = VideoShape(17, 32, 32)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "with-windows"
    tiny_models.with_windows(folder)
    return folder


@pytest.fixture(scope="module", name="pipeline")
def _pipeline(folder):
    return praxino.load(folder)


@pytest.fixture(name="windows")
def _windows(pipeline, monkeypatch):
    """Conditions of all windows that are denoised."""
    seen, denoise = [], pipeline.denoise

    def spy(request, conditions, *rest):
        seen.append(conditions)
        return denoise(request, conditions, *rest)

    monkeypatch.setattr(pipeline, "denoise", spy)
    return seen


def test_a_long_film_begins_as_a_short_one(pipeline):
    short = pipeline.generate("a red ball", PLAIN, seed=3)
    long = pipeline.generate("a red ball", PLAIN, seed=3, frames=41)
    assert len(long.frames) == 41
    assert np.abs(long.frames[:17].astype(int) - short.frames).max() <= 1
    again = pipeline.generate("a red ball", PLAIN, seed=3, frames=41)
    assert np.array_equal(long.frames, again.frames)


def test_a_window_is_given_the_anchor_and_the_last_two(pipeline, windows):
    *_, last = pipeline.stream("a red ball", PLAIN, seed=3, frames=41)
    film = last.x0
    assert [one.frames.clean is None for one in windows] == [True, False, False, False]
    for number, one in enumerate(windows[1:]):
        past = film[:, :, [0, 3 + 2 * number, 4 + 2 * number]]
        assert torch.equal(one.frames.clean[:, :, :3], past)
        assert one.frames.mask.flatten().tolist() == [1, 1, 1, 0, 0]
        assert one.layout.shape[2] == 5


def test_frames_leave_as_they_are_made(pipeline):
    states = list(pipeline.stream("a red ball", PLAIN, seed=3, frames=33))
    assert [state.step for state in states] == [1, 2, 3, 4, 5, 6, 6]
    chunks = [state.chunk() for state in states if state.chunk]
    assert [len(chunk) for chunk in chunks] == [17, 8, 8]
    assert np.array_equal(np.concatenate(chunks), states[-1].video.frames)
    assert states[2].preview().shape == (5, 32, 32, 3)  # two latent frames, alone


def test_a_film_that_is_stopped_is_kept_as_it_is(pipeline):
    *_, third = itertools.islice(pipeline.stream("a red ball", PLAIN, seed=3, frames=33), 3)
    kept = third.finish()
    assert (len(kept.frames), kept.record["stopped"]) == (25, 3)


def test_it_begins_and_ends_with_pictures(pipeline, tmp_path):
    picture = np.full((1, 32, 32, 3), 200, np.uint8)
    name = str(Video(picture, 1.0).save(tmp_path / "a.png"))
    film = pipeline.generate("a red ball", PLAIN, frames=33, image=name, last=name)
    assert np.array_equal(film.frames[[0, -1]], picture.repeat(2, 0))


def test_what_a_film_of_windows_cannot_have_is_said(pipeline):
    with pytest.raises(InputError, match="noise_mark: with-windows makes 17 frames at a time"):
        pipeline.request("a red ball", frames=21, noise_mark=True)
    assert pipeline.request("a red ball", frames=17, noise_mark=True).noise_mark


def test_a_live_film_goes_on_and_turns(pipeline, windows):
    first = pipeline.request("a red ball", seed=3)
    second = pipeline.request("a blue cat at night", seed=3)
    wanted = itertools.chain(itertools.repeat(first, 3), itertools.repeat(second))
    chunks = list(itertools.islice(stream.live(pipeline, wanted, PLAIN), 6))
    assert [chunk.start for chunk in chunks] == [0, 17, 25, 33, 41, 49]
    assert [chunk.record["prompt"] for chunk in chunks] == 3 * [first.prompt] + 3 * [second.prompt]
    assert torch.equal(windows[1].text, windows[2].text)
    assert not torch.equal(windows[2].text, windows[3].text)
    assert [one.layout.shape[2] for one in windows] == 6 * [5]
    again = stream.live(pipeline, itertools.repeat(first), PLAIN)
    assert np.array_equal(next(again).frames, chunks[0].frames)
    assert not list(stream.live(pipeline, [], PLAIN))


def test_what_is_kept_does_not_grow():
    history = stream.History()
    for _ in range(50):
        history.add(torch.randn(1, 2, 2, 4, 4), torch.randn(1, 3, 2, 4, 4))
        assert history.length <= 3
    assert history.length == 3


def test_a_live_film_takes_no_end_and_no_beginning(pipeline, tiny_model, tmp_path):
    name = str(Video(np.zeros((1, 32, 32, 3), np.uint8), 1.0).save(tmp_path / "a.png"))
    with pytest.raises(InputError, match="image: a film without end takes none"):
        next(stream.live(pipeline, [pipeline.request("a red ball", image=name)], PLAIN))
    other = praxino.load(tiny_model)
    with pytest.raises(InputError, match="tiny makes a film at once"):
        next(stream.live(other, [other.request("a red ball")], PLAIN))


def test_it_is_saved_whole_and_signed(pipeline, tmp_path):
    requests = [pipeline.request(prompt, seed=3) for prompt in ("a red ball", "a cat", "a cat")]
    path = stream.save(stream.live(pipeline, requests), tmp_path / "film.mp4")
    film = read_video(path)
    assert film.frames.shape == (33, 32, 32, 3)
    assert film.record["prompts"] == [[0, "a red ball"], [17, "a cat"]]
    assert film.record["frames"] == 33
    verdict = verify(path)
    assert (verdict.outcome, verdict.mark.found, verdict.agree) == ("signed", True, True)


def test_nothing_is_left_of_one_that_fails(pipeline, tmp_path):
    def failing():
        yield pipeline.request("a red ball")
        raise MediaError("gone", "")

    with pytest.raises(MediaError):
        stream.save(stream.live(pipeline, failing(), PLAIN), tmp_path / "film.mp4", PLAIN)
    with pytest.raises(InputError, match="without a frame"):
        stream.save(iter(()), tmp_path / "film.mp4", PLAIN)
    assert not list(tmp_path.iterdir())


def test_layouts_go_on_where_things_are(pipeline):
    layouts, sentence = LayoutStream(pipeline.model.layout, seed=1), "a red ball and a blue cat"
    first = layouts.next(sentence, SHAPE)
    assert first.frames == 17
    ends = [thing.boxes[-1] for thing in first.things]
    for _ in range(6):
        layout = layouts.next(sentence, replace(SHAPE, frames=9))
        assert layout.frames == 9
        for thing, end in zip(layout.things, ends, strict=True):
            if abs(end.x - 0.5) < 0.5:
                assert thing.boxes[0] == pytest.approx(end, abs=1e-3)
        ends = [thing.boxes[-1] for thing in layout.things]


def test_what_left_at_one_side_comes_in_at_the_other(pipeline):
    from praxino.generation import layout as module

    (thing, *_) = pipeline.model.layout.draw("a red ball").things
    drawn = pipeline.model.layout.draw("a red ball")
    for x, back in ((-0.2, 1.1), (1.2, -0.1), (0.4, 0.4)):
        gone = thing.model_copy(update={"boxes": (Box(x, 0.5, 0.2, 0.2),)})
        now = module._around(drawn.model_copy(update={"frames": 1, "things": (gone,)}))
        assert now.things[0].boxes[0].x == pytest.approx(back)
