"""Where the mark's energy lies: a tile of waves, whose places and phases come from a key.

A tile repeats over the whole frame, the same in every frame. Its size goes with the frame's shorter
side, so that a film that is enlarged or reduced keeps its mark; where a film is cut, dropped frames
from or slowed, it keeps it anyway. Some waves are the same in every film: by these the mark is
found, wherever it was moved to. The others carry the message, two bits each.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from praxino.provenance.watermark.channel_code import CODED

TILES: Final = 4
"""Along a frame's shorter side."""
MIN_TILE_PIXELS: Final = 40
"""Pixels a side of a tile, however small the frame."""
LOWEST: Final = 3.0
HIGHEST: Final = 12.0
"""Cycles a tile: lower ones are seen, and lost in the picture; higher ones are lost by compression.
"""
FINDING: Final = 10.5
"""Cycles a tile, at most, of the waves by which the mark is found."""
SYNC_ENERGY_SHARE: Final = 0.65
"""Part of the energy that the waves have by which the mark is found."""
FALL: Final = 0.5
"""Amplitudes go with the frequency to this negative power."""

Waves = NDArray[np.int64]
"""(N, 2): cycles a tile, down and across."""
Numbers = NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True, eq=False)
class Carriers:
    """The waves of one key: ``finding`` (F, 2) and ``telling`` (CODED / 2, 2), and what each is
    multiplied with.
    """

    finding: Waves
    telling: Waves
    finding_phases: Numbers
    telling_phases: Numbers

    def waves(self) -> Waves:
        """(F + CODED / 2, 2)"""
        return np.concatenate([self.finding, self.telling])

    def amplitudes(self, bits: NDArray[np.uint8]) -> Numbers:
        """(F + CODED / 2,): those of a coded message (CODED,), of unit power when summed as real
        waves.
        """
        signs = 1.0 - 2.0 * bits.reshape(-1, 2)
        telling = self.telling_phases * (signs[:, 0] + 1j * signs[:, 1]) * _fall(self.telling)
        finding = self.finding_phases * _fall(self.finding)
        return np.concatenate(
            [
                _of_power(finding, 2 * SYNC_ENERGY_SHARE),
                _of_power(telling, 2 * (1 - SYNC_ENERGY_SHARE)),
            ]
        )

    def soft(self, received: Numbers) -> NDArray[np.float64]:
        """(CODED,): how sure each bit is, positive for 0, from what became of the telling waves."""
        turned = received * self.telling_phases.conj()
        return np.stack([turned.real, turned.imag], axis=1).reshape(-1)


def carriers(key: bytes) -> Carriers:
    """The carriers of a key; the same on every machine, for ever: marks are looked for by them."""
    reach = math.floor(HIGHEST)
    half = [(y, x) for y in range(reach + 1) for x in range(-reach, reach + 1) if y > 0 or x > 0]
    all_waves = np.array([wave for wave in half if LOWEST <= math.hypot(*wave) <= HIGHEST])
    stream = hashlib.shake_256(b"praxino mark 1" + key).digest(16 * len(all_waves))
    words = np.frombuffer(stream, "<u8").reshape(-1, 2)
    shuffled = all_waves[np.argsort(words[:, 0], kind="stable")]
    phases = np.exp(2j * np.pi * (words[:, 1] >> np.uint64(11)) / 2.0**53)
    low = np.flatnonzero(np.hypot(*shuffled.T) <= FINDING)[: len(shuffled) - CODED // 2]
    finding = np.isin(np.arange(len(shuffled)), low)
    return Carriers(shuffled[finding], shuffled[~finding], phases[finding], phases[~finding])


def tile(height: int, width: int) -> float:
    """Pixels a side of a tile in a film of this size."""
    return max(MIN_TILE_PIXELS, min(height, width) / TILES)


def pattern(
    waves: Waves, amplitudes: Numbers, height: int, width: int, side: float
) -> NDArray[np.float32]:
    """(H, W): the real waves summed, a tile being ``side`` pixels, the middle of the frame that of
    a tile.
    """
    reach = int(np.abs(waves).max())
    table = np.zeros((reach + 1, 2 * reach + 1), np.complex128)
    table[waves[:, 0], waves[:, 1] + reach] = amplitudes
    down, across = ((np.arange(size) - (size - 1) / 2) / side for size in (height, width))
    rows = np.exp(2j * np.pi * np.outer(down, np.arange(reach + 1)))
    columns = np.exp(2j * np.pi * np.outer(np.arange(-reach, reach + 1), across))
    return (rows @ table @ columns).real.astype(np.float32)


def _fall(waves: Waves) -> NDArray[np.float64]:
    return np.hypot(*waves.T) ** -FALL


def _of_power(amplitudes: Numbers, power: float) -> Numbers:
    return amplitudes * math.sqrt(power / float((np.abs(amplitudes) ** 2).sum()))
