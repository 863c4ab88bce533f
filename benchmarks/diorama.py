"""How many clips a second does the diorama draw on one core?"""

import statistics
import time

import cv2

from praxino.data.diorama import sample


def main() -> None:
    cv2.setNumThreads(1)
    sizes = [(17, 64, 64), (33, 128, 128), (49, 256, 256)]
    print("one core, medians of 5 rounds of 40 clips\nframes  size     clips/s")
    for frames, height, width in sizes:
        rounds = []
        for turn in range(5):
            start = time.perf_counter()
            for index in range(40):
                sample(turn, index, frames, height, width)
            rounds.append(40 / (time.perf_counter() - start))
        print(f"{frames:<8}{height}x{width:<6}{statistics.median(rounds):>8.1f}")


if __name__ == "__main__":
    main()
