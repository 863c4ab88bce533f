"""Make docs/gallery.jpg and docs/strip.png: what the bundled model makes of 24 sentences, one film
a row.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import praxino
from praxino.data.diorama.phrases import SENTENCES
from praxino.data.pixels import strip

ASKED = (
    *SENTENCES,
    "a yellow ball bounces on the grass by day",
    "a blue box falls to the ground in a room",
    "a white dog runs in a field at sunset",
    "a black cat jumps in a room at night",
    "a pink bird flies over the sea",
    "a person in red walks along the road in the rain",
    "a horse runs across the grass, the camera follows it",
    "snow falls on a red house at night",
    "a blue car drives through the city at night",
    "a red ball rolls into a white ball in a room",
    "a brown dog chases a white cat on the grass",
    "a red moon over the sea at night",
    "a green box and a yellow ball in a room by day",
    "a white car parked on the street at sunset",
    "a purple flower in a room, the camera zooms in",
    "a blue bird flies while a red boat sails on the water",
    "three yellow birds flying over the sea",
)
SCALE = 2
HERE = Path(__file__).parent


def enlarged(pixels: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    return np.asarray(
        cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8
    )


def labelled(pixels: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The picture under a line of text."""
    bar = Image.new("RGB", (pixels.shape[1], 18), "white")
    ImageDraw.Draw(bar).text((3, 3), text, fill="black", font=ImageFont.load_default(11))
    return np.concatenate([np.asarray(bar), pixels])


def main() -> None:
    pipeline = praxino.load("diorama", device="cpu")
    rows = []
    for sentence in ASKED:
        film = pipeline.generate(sentence, seed=0).frames
        rows.append(labelled(enlarged(strip(film), SCALE), sentence))
    columns = [np.concatenate(rows[:12]), np.concatenate(rows[12:])]
    Image.fromarray(np.concatenate(columns, axis=1)).save(HERE / "gallery.jpg", quality=88)
    chosen = pipeline.generate(SENTENCES[1], seed=0).frames
    Image.fromarray(enlarged(strip(chosen, 6), 2)).save(HERE / "strip.png")


if __name__ == "__main__":
    main()
