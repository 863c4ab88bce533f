"""Make docs/enhance.jpg: films of the bundled model enlarged by Lanczos's filter, left, and by its
refiner, right; three pictures of each.
"""

from pathlib import Path

import numpy as np
from gallery import enlarged as shown_larger
from gallery import labelled
from PIL import Image

import praxino
from praxino.data.pixels import enlarged, strip
from praxino.provenance.policy import Provenance

PLAIN = Provenance(watermark=False, credentials=False)
SENTENCES = (
    "a red car and a blue car racing",
    "a boat sails on the sea by day",
    "a black cat jumps in a room at night",
    "a person in red walks along the road in the rain",
    "a city at night, the camera pans left",
)


def main() -> None:
    pipeline = praxino.load("diorama", device="cpu")
    rows = []
    for sentence in SENTENCES:
        small = pipeline.generate(sentence, PLAIN, seed=0, enhance="off").frames
        large = pipeline.generate(sentence, PLAIN, seed=0, enhance="space").frames
        ways = [strip(film, 3) for film in (enlarged(small, "space"), large)]
        gap = np.full((ways[0].shape[0], 8, 3), 255, np.uint8)
        row = np.concatenate([ways[0], gap, ways[1]], axis=1)
        rows.append(labelled(shown_larger(row, 2), sentence))
    Image.fromarray(np.concatenate(rows)).save(Path(__file__).parent / "enhance.jpg", quality=88)


if __name__ == "__main__":
    main()
