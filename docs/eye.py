"""Draws the short films of the studio's game, some with one thing wrong, and the truth about them:
``python docs/eye.py``.
"""

import json
from pathlib import Path

from praxino.data.diorama.faults import FAULTS, FaultyFilm, faultless, faulty
from praxino.service.api.system import EYE_FILMS
from praxino.storage.media.video import Video

WEB = Path(__file__).parents[1] / "src" / "praxino" / "service" / "web"
SIZE, FPS, FIRST = 160, 8.0, 2000
WITHOUT = 11
"""Films in which nothing is wrong."""


def main() -> None:
    films, wanted = list[FaultyFilm](), (EYE_FILMS - WITHOUT) // len(FAULTS)
    index = FIRST
    for _ in range(wanted):
        for fault in FAULTS:
            films.append(faulty(fault, index, SIZE))
            index = films[-1].index + 1  # no scene comes twice
    for _ in range(WITHOUT):
        films.append(faultless(index, SIZE))
        index = films[-1].index + 1
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
