"""What does a prompt import? Files and lines of Praxino behind ``import
praxino.generation.pipeline``, and behind a film of the bundled model that is marked and signed.

``python benchmarks/closure.py [--list]``. A room's ``__init__.py`` holds a docstring at most: rooms
are counted apart.
"""

import argparse
import subprocess
import sys
from pathlib import Path

IMPORT = "import praxino.generation.pipeline"
FILM = (
    "import pathlib, praxino, tempfile;"
    "film = praxino.load('diorama').generate('a red ball bounces', steps=1);"
    "film.save(pathlib.Path(tempfile.mkdtemp()) / 'film.mp4')"
)
LIST = (
    "import sys\n"
    "for name, module in sorted(sys.modules.items()):\n"
    "    if name.split('.')[0] == 'praxino': print(module.__file__)"
)


def closure(code: str) -> list[Path]:
    """The files of Praxino that a fresh interpreter has loaded after running ``code``."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LIST}"], capture_output=True, text=True, check=True
    )
    return [Path(line) for line in run.stdout.splitlines() if line.endswith(".py")]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="every file")
    args = parser.parse_args()
    for name, code in (
        ("import praxino.generation.pipeline", IMPORT),
        ("a film, marked and signed", FILM),
    ):
        files = closure(code)
        rooms = [path for path in files if path.name == "__init__.py"]
        print(
            f"{name}: {len(files) - len(rooms)} files and {len(rooms)} rooms, "
            f"{sum(map(lines, files))} lines"
        )
        if args.list:
            print("\n".join(f"  {lines(path):4} {path}" for path in files))


if __name__ == "__main__":
    main()
