"""Draws the short films of the studio's game, some with one thing wrong, and the truth about them:
``python docs/eye.py``.
"""

import json
from pathlib import Path

from praxino.data.diorama import compose
from praxino.data.diorama.faults import FAULTS, FaultyFilm, faultless, faulty
from praxino.service.api.system import EYE_FILMS
from praxino.storage.media.video import Video

WEB = Path(__file__).parents[1] / "src" / "praxino" / "service" / "web"
SIZE, FPS = 160, 8.0
WITHOUT = 11
"""Films in which nothing is wrong."""


def main() -> None:
    films = [
        faulty(fault, 2000 + 400 * number, SIZE)
        for number in range(EYE_FILMS // len(FAULTS))
        for fault in FAULTS
    ][: EYE_FILMS - WITHOUT]
    films += [faultless(compose(0, 90_000 + 7 * n, 17), SIZE) for n in range(WITHOUT)]
    rows = [written(number, film) for number, film in enumerate(films)]
    (WEB / "eye.json").write_text(json.dumps(rows, indent=0) + "\n")


def written(number: int, film: FaultyFilm) -> dict[str, object]:
    name = f"eye-{number:02d}.mp4"
    Video(film.frames, FPS).save(WEB / name)
    box = [round(part, 3) for part in film.box]
    about = {"fault": film.fault, "said": film.text, "first": film.first, "last": film.last}
    return {"file": name, "fps": FPS} | about | {"box": box}


if __name__ == "__main__":
    main()
