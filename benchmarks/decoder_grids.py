"""On which clips are a beat of four frames and a grid of cells found? ``python
benchmarks/decoder_grids.py CLIPS``

CLIPS holds ``native/`` with its ``manifest.csv`` (file, label, generator, real_source). Generators
whose autoencoder makes four frames at a time are named here, as their papers and repositories say;
of the others some work frame by frame, and of some it is not public.
"""

import argparse
import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rivals import clips as store
from rivals import decoders

from praxino.data.degrade import compressed
from praxino.detection.decoder_grid import GridFinding, decoder_grid, finding, traces
from praxino.storage.media.frames import iter_frames, probe

FOUR_FRAMES = {"Wan2.1", "FramePack-HunyuanVideo", "MAGI-1"}
"""With what was made of them."""
FRAMES = 49
"""Frames of camera clips that go through the bundled autoencoder."""


def found(clip: store.Clip) -> GridFinding:
    cv2.setNumThreads(1)
    return decoder_grid(clip.path, probe(clip.path))[0]


def trips(clips: list[store.Clip], count: int = 8) -> tuple[int, int]:
    """Of how many camera clips the bundled autoencoder leaves a beat, and of how many they were."""
    beats = rows = 0
    for clip in clips[:: len(clips) // (2 * count)]:
        frames = list(itertools.islice(iter_frames(clip.path), FRAMES))
        if len(frames) < FRAMES or rows == count:
            continue
        film = np.stack([frame.pixels[: 2 * (frame.pixels.shape[0] // 4)] for frame in frames])
        film = decoders.decoded(
            film[:, : film.shape[1] // 8 * 8, : film.shape[2] // 16 * 8], decoders.BUNDLED
        )
        again = (
            replace(frame, pixels=p) for frame, p in zip(frames, compressed(film, 20), strict=True)
        )
        beats += finding(traces(again), probe(clip.path)).beat is not None
        rows += 1
    return beats, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    clips = store.manifest(parser.parse_args().clips / "native")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        findings = list(pool.map(found, clips, chunksize=4))
    kinds = {
        "camera": lambda clip: not clip.made,
        "generated, four frames at a time": lambda clip: clip.base in FOUR_FRAMES,
        "generated, others": lambda clip: clip.made and clip.base not in FOUR_FRAMES,
    }
    print(f"{'':<34} {'clips':>5} {'beat':>5} {'grid':>5}  beats of")
    for name, belongs in kinds.items():
        rows = [row for clip, row in zip(clips, findings, strict=True) if belongs(clip)]
        beating = {
            clip.group
            for clip, row in zip(clips, findings, strict=True)
            if belongs(clip) and row.beat is not None
        }
        beats, grids = (
            sum(getattr(row, field) is not None for row in rows) for field in ("beat", "cell")
        )
        print(f"{name:<34} {len(rows):>5} {beats:>5} {grids:>5}  {', '.join(sorted(beating))}")
    beats, count = trips([clip for clip in clips if not clip.made])
    print(f"{'camera, the bundled autoencoder':<34} {count:>5} {beats:>5}")


if __name__ == "__main__":
    main()
