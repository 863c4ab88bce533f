"""What does the physics family claim? ``python benchmarks/physics.py CLIPS``

Of correct renderings, of renderings with something impossible planted in them, and of the clips in
``CLIPS/native`` (`benchmarks/detection.py` says what a folder of clips holds).
"""

import argparse
import sys
from pathlib import Path

from rivals import clips as store

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support import planted  # films with something impossible in them


def table(clips: Path, count: int = 40) -> list[str]:
    """What `things` claims of true renderings, of renderings with something impossible planted, and
    of real clips.
    """
    rows = []
    for kind in (None, "even", *planted.KINDS):
        films = planted.films(kind, count)
        said = [planted.claims(*film) for film in films]
        right = sum(kind in each for each in said)
        rows.append(
            f"{kind or 'nothing':<10} {len(films):>5}  {right:>5}  "
            f"{sum(bool(each) for each in said):>5}"
        )
    for made in (False, True):
        chosen = [clip for clip in store.manifest(clips / "native") if clip.made == made]
        said = [
            {kind for view in store.seen(clip, "none") for kind in planted.of(view)}
            for clip in chosen
        ]
        name = "generated" if made else "real"
        rows.append(f"{name:<10} {len(chosen):>5}  {'-':>5}  {sum(bool(each) for each in said):>5}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="?")
    options = parser.parse_args()
    if options.clips is None:
        print("name a folder of clips: python benchmarks/physics.py CLIPS")
        return
    print(f"{'planted':<10} {'films':>5}  {'found':>5}  {'any':>5}")
    print("\n".join(table(options.clips)))


if __name__ == "__main__":
    main()
