"""What a run writes down: JSON lines, TensorBoard scalars, and pictures of samples."""

import json
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from praxino.storage.files import write_text
from praxino.storage.media.video import write_picture


class RunLog:
    """Collects metrics of steps and writes their means; a resumed run's lines after ``first`` are
    cut off first.
    """

    def __init__(self, folder: Path, first: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        path = folder / "log.jsonl"
        kept = [line for line in _lines(path) if _step(line) <= first]
        write_text(path, "".join(line + "\n" for line in kept))
        self._file = path.open("a")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)
        self._sums: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._board.close()

    def add(self, metrics: dict[str, float], lr: float, seconds: float) -> None:
        for name, value in {**metrics, "lr": lr, "seconds": seconds}.items():
            self._sums[name].append(value)

    def write(self, step: int) -> None:
        """Means since the last call; a metric that only some steps have is averaged over those."""
        means = {name: sum(values) / len(values) for name, values in self._sums.items()}
        self._sums.clear()
        rounded = {name: float(f"{value:.6g}") for name, value in means.items()}
        self._file.write(
            json.dumps({"step": step, "time": round(time.time(), 1), **rounded}) + "\n"
        )
        self._file.flush()
        for name, value in means.items():
            self._board.add_scalar(name, value, step)

    def picture(self, step: int, pixels: NDArray[np.uint8]) -> None:
        write_picture(self.folder / "samples" / f"{step:07d}.png", pixels)
        self._board.add_image("samples", pixels, step, dataformats="HWC")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _step(line: str) -> float:
    """The step that a line is about; endlessly late if the line was cut off."""
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return float("inf")
