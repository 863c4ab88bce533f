"""How fast does a film of another program get its mark and signature, and what does it cost?
``python benchmarks/stamping.py [--clips FOLDER]``

Films of ten seconds at 480 and 1080 rows are stamped, encoding and reading the mark back included;
beside it, re-encoding alone, and the DWT-DCT-SVD mark of ``invisible-watermark`` (``pip install
--no-deps invisible-watermark PyWavelets``), which marks frames and writes no file. With clips of
any origin: decibels, bytes, and how many marks are found after H.264 at CRF 30 and half the size.
Medians of three runs at 480 rows, one at 1080. Then two films of 2160 rows, one four times as long,
each by a process of its own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import praxino
from praxino.data.degrade import compressed, scaled
from praxino.errors import MediaError
from praxino.provenance.stamp import ending_for
from praxino.provenance.verify import verify
from praxino.storage.media import transcode
from praxino.storage.media.folders import media_in
from praxino.storage.media.frames import read_video

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.footage import textured, write

FRAMES = 300
RIVAL_FRAMES = 6
"""Of the slower one."""
SIZES = {"480p": (480, 854), "1080p": (1080, 1920)}


def median(
    work: Callable[[Path], object], home: Path, frames: int = FRAMES, runs: int = 3
) -> float:
    """Frames a second."""
    times = []
    for run in range(runs):
        target = home / f"out{run}.mp4"
        started = time.perf_counter()
        work(target)
        times.append(time.perf_counter() - started)
        target.unlink(missing_ok=True)
    return frames / statistics.median(times)


def rival(film: np.ndarray) -> Callable[[Path], object] | None:
    try:
        from imwatermark import WatermarkEncoder
    except ImportError:
        return None
    encoder = WatermarkEncoder()
    encoder.set_watermark("bytes", b"praxin")
    return lambda _: [
        encoder.encode(frame[..., ::-1], "dwtDctSvd") for frame in film[:RIVAL_FRAMES]
    ]


def speeds(home: Path) -> None:
    print(f"{'':<8} {'stamp':>7} {'encode alone':>13} {'dwtDctSvd, no file':>19}   frames/s")
    for name, (height, width) in SIZES.items():
        still = textured(1, height, width + FRAMES * 2)[0]
        film = np.stack([still[:, 2 * i : 2 * i + width] for i in range(FRAMES)])
        source = write(home / f"{name}.mp4", film, 30)
        runs = 3 if height < 1000 else 1
        stamped = median(lambda target, s=source: praxino.stamp(s, target), home, runs=runs)
        plain = median(
            lambda target, s=source: transcode.transcode(s, target, lambda luma, _: luma),
            home,
            runs=runs,
        )
        other = rival(film)
        beside = f"{median(other, home, RIVAL_FRAMES, 1):.1f}" if other else "-"
        print(f"{name:<8} {stamped:>7.1f} {plain:>13.1f} {beside:>19}", flush=True)


STAMP_AND_TELL = """
import re, sys
import praxino
praxino.stamp(*sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""
"""A child's ``ru_maxrss`` would begin with its parent's."""


def memory(home: Path) -> None:
    height, width = 2160, 3840
    print(f"\n{'4K':<12} {'wall':>6} {'memory at most':>15}")
    for frames in (96, 384):
        still = textured(1, height, width + frames * 2)[0]
        pans = np.lib.stride_tricks.sliding_window_view(still, width, axis=1)[:, ::2]
        source = write(home / "4k.mp4", pans.transpose(1, 0, 3, 2)[:frames], 24)
        files = [str(source), str(home / "4k-stamped.mp4")]
        started = time.perf_counter()
        most = subprocess.check_output([sys.executable, "-c", STAMP_AND_TELL, *files], text=True)
        wall = time.perf_counter() - started
        print(f"{frames:>5} frames {wall:>4.0f} s {int(most) / 1024:>11.0f} MiB", flush=True)


def clips(folder: Path, home: Path, most: int) -> None:
    files = media_in(folder, pictures=False)
    files = files[:: max(1, len(files) // most)][:most]
    psnr, sizes, found, refused = [], [], [], 0
    for path in files:
        target = home / f"{path.stem}{ending_for(path)}"
        try:
            stamp = praxino.stamp(path, target)
        except MediaError as error:
            print(error, file=sys.stderr)
            refused += 1
            continue
        if stamp.psnr is None:
            continue
        psnr.append(stamp.psnr)
        sizes.append(target.stat().st_size / path.stat().st_size)
        video = read_video(target)
        worse = home / "worse.mp4"
        write(worse, compressed(scaled(video.frames, 0.5), 30), max(1, round(video.fps)))
        found.append(verify(worse).mark.found)
        target.unlink()
    print(
        f"{len(psnr)} clips of {folder.name} ({refused} refused): PSNR {np.median(psnr):.1f} dB in "
        f"the median, {min(psnr):.1f} at worst; bytes x{np.median(sizes):.2f}; found after CRF 30 "
        f"and half size: {np.mean(found):.0%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--clips", type=Path, help="folder of films of any origin")
    parser.add_argument("--most", type=int, default=24)
    parser.add_argument("--part", choices=["speeds", "memory"], help="one of the tables")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        if options.part in (None, "speeds"):
            speeds(Path(home))
        if options.part in (None, "memory"):
            memory(Path(home))
        if options.clips is not None and options.part is None:
            clips(options.clips, Path(home), options.most)


if __name__ == "__main__":
    main()
