"""Make docs/diorama.png: samples of the procedural world, six frames of each."""

from pathlib import Path

import numpy as np
from PIL import Image

from praxino.data.diorama import sample
from praxino.data.pixels import strip


def main() -> None:
    rows = [strip(sample(11, index).clip) for index in range(36)]
    columns = [np.concatenate(rows[start : start + 12]) for start in (0, 12, 24)]
    Image.fromarray(np.concatenate(columns, axis=1)).save(
        Path(__file__).parent / "diorama.png", optimize=True
    )


if __name__ == "__main__":
    main()
