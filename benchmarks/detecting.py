"""How long does a verdict take, and how much memory? ``python benchmarks/detecting.py``

A 3-second clip of 832x480, whole and family by family, and ten minutes of 1920x1080, each in a
process of its own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from praxino.detection import latent
from praxino.detection.detector import EVIDENCE, bundled_detector, examine
from praxino.detection.view import View, views
from praxino.storage.media.frames import probe


def clip(path: Path, height: int, width: int, fps: int, seconds: int, times: int = 1) -> Path:
    """A textured plane that drifts, with noise: as hard to decode as footage; written ``times``
    over.
    """
    rng = np.random.default_rng(0)
    plane = (
        cv2.GaussianBlur(rng.normal(128, 90, (height, width + 64, 3)), (0, 0), 2.0)
        .clip(0, 255)
        .astype(np.uint8)
    )
    noise = rng.integers(0, 5, (height, width, 3), np.uint8)
    film = np.stack([plane[:, i : i + width] // 2 + np.roll(noise, i * 7, 1) for i in range(32)])
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"crf": "26", "preset": "veryfast"}
        )
        stream.height, stream.width = height, width
        packets = []
        for index in range(fps * seconds):
            packets += stream.encode(
                av.VideoFrame.from_ndarray(film[index % len(film)], format="rgb24")
            )
        packets += stream.encode()
        length = round(seconds / packets[0].time_base)
        for turn in range(times):
            for each in packets:
                again = av.Packet(bytes(each))
                again.pts, again.dts = each.pts + turn * length, each.dts + turn * length
                again.time_base, again.is_keyframe, again.stream = (
                    each.time_base,
                    each.is_keyframe,
                    stream,
                )
                container.mux(again)
    return path


def families(view: View) -> dict[str, float]:
    """Seconds that each family takes for one view, which is made anew so that nothing is shared."""
    taken = {}
    for name, way in EVIDENCE.items():
        times = []
        for _ in range(4):
            fresh = View(view.frames, view.fps, view.native, view.times)
            started = time.perf_counter()
            way(fresh)
            times.append(time.perf_counter() - started)
        taken[name] = statistics.median(times[1:])
    return taken


def alone(path: Path) -> str:
    """Wall time and largest memory of ``praxino detect`` in a process of its own."""
    code = (
        f"import sys; sys.argv=['praxino','detect',{str(path)!r},'-q']; from praxino.cli.app "
        f"import main; main()"
    )
    walls, most = [], 0
    for _ in range(3):
        started = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        assert status == 0
        walls.append(time.perf_counter() - started)
        most = max(most, used.ru_maxrss)
    return f"{statistics.median(walls):.1f} s from start to answer, {most / 1024:.0f} MiB at most"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10, help="length of the long file")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as home:
        short = clip(Path(home) / "short.mp4", 480, 832, 24, 3)
        bundled_detector(), latent.bundled_networks()
        started = time.perf_counter()
        windows = len(examine(short).views)
        warm = time.perf_counter() - started
        print(f"3 s of 832x480, {windows} windows: {warm:.1f} s in a warm process; {alone(short)}")
        view = next(iter(views(short, probe(short))))
        for name, seconds in families(view).items():
            print(
                f"  {name:<10} {len(view.frames) / seconds:6.0f} frames/s ({seconds:.2f} s a "
                f"window)"
            )
        long = clip(Path(home) / "long.mp4", 1080, 1920, 30, 10, 6 * minutes)
        print(
            f"{minutes} min of 1920x1080 at 30 frames/s ({long.stat().st_size / 1e6:.0f} MB): "
            f"{alone(long)}"
        )


if __name__ == "__main__":
    main()
