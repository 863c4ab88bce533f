"""Make docs/edits.jpg: every task of docs/edits.md by its command, on films of the bundled model.

Under each command the films or pictures that it was given, then what it made; pictures of a strip
are three frames apart.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from gallery import enlarged, labelled
from numpy.typing import NDArray
from PIL import Image

from praxino.data.pixels import strip
from praxino.storage.media.frames import read_video

HERE = Path(__file__).parent
SCALE = 2
EVERY = 3
WIDTH = 10 * 64
"""Of the page before it is enlarged: that many frames of 64 pixels."""
SOURCES = (
    'generate "a blue car drives through the city" -o car.mp4',
    'generate "a red ball rolls on the grass by day" -o ball.mp4',
    'generate "a brown dog runs in a field at sunset" -o dog.mp4',
    'generate "a boat sails on the sea by day" -o boat.mp4',
    'generate "a red house in a field by day" --frames 1 -o house.png',
    'generate "a red house in a field at night" --frames 1 -o night.png',
)
TASKS = (
    'generate "a brown dog runs behind a red house in a field by day" --image house.png',
    'generate "a red house in a field" --image house.png --last-image night.png',
    'extend car.mp4 "a blue car drives through the city"',
    'extend car.mp4 "a blue car drives through the city" --backward',
    'join boat.mp4 boat.mp4 "a boat sails on the sea by day"',
    'loop "a boat sails on the sea by day" --film boat.mp4',
    'retake dog.mp4 "a brown dog jumps in a field at sunset" --start 0.7 --end 1.4',
    'inpaint ball.mp4 "a blue ball rolls on the grass by day" --follow "red ball"',
    'outpaint boat.mp4 "a boat sails on the sea by day" --size 128x64',
    'restyle car.mp4 "a blue car drives through the city at night" --strength reimagine',
    'restyle dog.mp4 "a white dog runs in a field at sunset"',
    'restyle car.mp4 "a red car drives through the city"',
)


def run(command: str, folder: Path) -> None:
    """A command of ours, in ``folder``; what it says is shown."""
    arguments = [sys.executable, "-m", "praxino", *shlex.split(command)]
    subprocess.run(arguments, cwd=folder, check=True)


def line(path: Path) -> NDArray[np.uint8]:
    """A strip of a film or picture, as wide as the page."""
    frames = read_video(path).frames[::EVERY]
    frames = frames[: WIDTH // frames.shape[2]]
    pictures = strip(frames, len(frames))
    page = np.full((pictures.shape[0], WIDTH, 3), 255, np.uint8)
    page[:, : pictures.shape[1]] = pictures
    return page


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for command in SOURCES:
            run(command, folder)
        for command in TASKS:
            run(f"{command} -o after.mp4", folder)
            files = [*dict.fromkeys(re.findall(r"\w+\.(?:mp4|png)", command)), "after.mp4"]
            strips = np.concatenate([line(folder / name) for name in files])
            rows.append(labelled(enlarged(strips, SCALE), f"praxino {command}"))
    Image.fromarray(np.concatenate(rows)).save(HERE / "edits.jpg", quality=86)


if __name__ == "__main__":
    main()
