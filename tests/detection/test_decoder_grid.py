"""Beats of four frames and grids of cells are found where they were planted, and nowhere else."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from praxino.detection.decoder_grid import PERIOD, GridFinding, Traces, decoder_grid, finding
from praxino.detection.detector import examine
from praxino.detection.html import page
from praxino.storage.media.frames import probe
from praxino.storage.media.info import MediaInfo
from support.footage import write

Film = NDArray[np.uint8]
SIZE = (192, 256)
"""Rows and columns."""


def moving(shifts: NDArray[np.floating], seed: int = 0) -> Film:
    """(T, H, W, 3): a texture that lies so many pixels to the right of where it began."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((SIZE[0], 2 * SIZE[1])).astype(np.float32), (0, 0), 2.5)
    texture = (noise - noise.min()) / np.ptp(noise) * 255
    frames = []
    for shift in shifts:
        matrix = np.array([[1, 0, shift - SIZE[1] / 2], [0, 1, 0]], np.float64)
        frame = cv2.warpAffine(texture, matrix, SIZE[::-1], flags=cv2.INTER_CUBIC)
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return np.stack(frames)[..., None].repeat(3, -1)


def steps(count: int, seed: int = 0) -> NDArray[np.floating]:
    """Steps of about half a pixel."""
    return 0.5 + 0.05 * np.random.default_rng(seed).normal(size=count)


def beating(first: int) -> Film:
    """64 frames, of which ``first`` and every fourth after it are a little brighter."""
    film = moving(np.cumsum(steps(64)))
    film[first::PERIOD] = np.minimum(film[first::PERIOD], 251) + 4
    return film


def looked_at(folder: Path, film: Film) -> GridFinding:
    path = write(folder / "film.mp4", film, 16)
    return decoder_grid(path, probe(path))[0]


def test_even_motion_has_no_beat(tmp_path: Path) -> None:
    found = looked_at(tmp_path, moving(np.cumsum(steps(64))))
    assert found == GridFinding()


@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_beat(tmp_path: Path, first: int) -> None:
    """What is a little off in every fourth frame is found with its phase."""
    found = looked_at(tmp_path, beating(first))
    assert found.beat == PERIOD
    assert found.beat_first == first
    assert found.beat_strength is not None
    assert found.beat_strength > 0.1
    assert "every 4 frames" in found.sentences[0]


def test_repeated_frames_are_a_conversion(tmp_path: Path) -> None:
    """Three frames made four: what beats is the repetition, of which nothing is told."""
    film = moving(np.cumsum(steps(48)))
    converted = film[np.arange(64) * 3 // 4]
    assert looked_at(tmp_path, converted).beat is None


def test_short_films_have_no_beat(tmp_path: Path) -> None:
    places = np.cumsum(steps(17))
    places[1::PERIOD] += 3
    assert looked_at(tmp_path, moving(places)).beat is None


def test_cells(tmp_path: Path) -> None:
    """Lines every 12 pixels are found, the codec's every 8 are not told of."""
    film = moving(np.cumsum(steps(24))).astype(np.float32)
    film[:, ::12] += 14
    film[:, :, ::12] += 14
    found = looked_at(tmp_path, film.clip(0, 255).astype(np.uint8))
    assert found.cell == pytest.approx((12, 12), rel=0.03)
    assert found.cells is not None
    assert abs(found.cells[0] - SIZE[1] / 12) < 1
    assert "no codec's grid" in found.sentences[-1]


def test_blocks_of_a_codec_are_not_told_of(tmp_path: Path) -> None:
    film = moving(np.cumsum(steps(24))).astype(np.float32)
    film[:, ::8] += 14
    film[:, :, ::8] += 14
    assert looked_at(tmp_path, film.clip(0, 255).astype(np.uint8)).cell is None


@pytest.mark.parametrize(("frames", "side"), [(1, 192), (2, 192), (3, 16), (20, 8)])
def test_little_to_look_at(tmp_path: Path, frames: int, side: int) -> None:
    film = np.full((frames, side, side, 3), 90, np.uint8)
    found = looked_at(tmp_path, film)
    assert not found.sentences
    assert found.unjudged


def test_still_film(tmp_path: Path) -> None:
    film = moving(np.zeros(1)).repeat(64, 0)
    assert looked_at(tmp_path, film).beat is None


def test_page_draws_the_beat(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", beating(2), 16)
    examination = examine(path)
    assert examination.report.grid.beat == PERIOD
    drawn = page(examination)
    assert "the beat in orange" in drawn
    assert "every 4 frames" in drawn


@pytest.mark.parametrize(
    ("frames", "size", "rate", "sentence"),
    [
        (81, (832, 480), 16.0, "81 frames, which is 4 x 20 + 1 and 832x480 pixels and 16 frames"),
        (49, (480, 720), 24.0, "49 frames, which is 4 x 12 + 1 and 480x720 pixels"),
        (81, (1920, 1080), 30.0, ""),
        (80, (832, 480), 24.0, ""),
        (0, (832, 480), 25.0, ""),
    ],
)
def test_habits(frames: int, size: tuple[int, int], rate: float, sentence: str) -> None:
    """Two habits of models are told of together, one is not."""
    info = MediaInfo(*size, rate, 5.0, "h264", 1000, frames=frames)
    nothing = Traces(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))
    assert " ".join(finding(nothing, info).sentences).startswith(sentence)
    assert bool(finding(nothing, info).sentences) == bool(sentence)
