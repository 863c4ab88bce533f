"""Forty-eight bits that survive noise: a checksum, a convolutional code with tails that bite, soft
decoding.
"""

import binascii
from typing import Final

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]

BITS: Final = 48
"""Bits of a message."""
CHECK: Final = 16
"""Bits of a message's checksum, CRC-16/CCITT."""
GENERATORS: Final = (0o463, 0o535, 0o733, 0o745)
"""Generators of the code with the largest free distance, 24, at rate 1/4 and memory 8 (Larsen
1973).
"""
MEMORY: Final = 8
CODED: Final = (BITS + CHECK) * len(GENERATORS)
"""Bits of a coded message."""


def encoded(message: int) -> Bits:
    """(CODED,) bits of a message of `BITS` bits."""
    bits = _bits(message << CHECK | _checksum(message), BITS + CHECK)
    # the first bits come after the last ones
    windows = np.stack([np.roll(bits, lag) for lag in range(MEMORY + 1)])
    taps = np.array([_bits(generator, MEMORY + 1) for generator in GENERATORS])
    return (taps.astype(np.int64) @ windows % 2).T.reshape(-1).astype(np.uint8)


def decoded(soft: NDArray[np.float64]) -> int | None:
    """The message of a coded one as received, or None where its checksum is wrong.

    Parameters
    ----------
    soft : (CODED,)
        Positive where a bit is rather 0, negative where it is rather 1, larger where that is surer.
    """
    steps = soft.reshape(-1, len(GENERATORS))
    value = int(
        "".join(
            map(
                str,
                _most_likely(np.concatenate([steps, steps, steps]))[len(steps) : 2 * len(steps)],
            )
        ),
        2,
    )
    message = value >> CHECK
    return message if _checksum(message) == value & (2**CHECK - 1) else None


def _most_likely(steps: NDArray[np.float64]) -> list[int]:
    """Viterbi's algorithm from every state at once: what went in, bit by bit (Viterbi 1967)."""
    states = np.arange(2**MEMORY)
    # the oldest bit is the highest, and leaves
    before = np.stack([states >> 1, states >> 1 | 2 ** (MEMORY - 1)])
    registers = before << 1 | states & 1
    parity = np.array(
        [
            [[bin(r & _mirrored(g)).count("1") % 2 for r in row] for row in registers]
            for g in GENERATORS
        ]
    )
    signs = 1 - 2 * parity  # (4, 2, S)
    score, choices = np.zeros(len(states)), []
    for step in steps:
        paths = score[before] + np.tensordot(step, signs, 1)
        choice = paths.argmax(0)
        score = paths[choice, states]
        choices.append(choice)
    state, bits = int(score.argmax()), []
    for choice in reversed(choices):
        bits.append(state & 1)
        state = int(before[choice[state], state])
    return bits[::-1]


def _mirrored(generator: int) -> int:
    """A generator's highest bit belongs to the newest bit, a register's lowest."""
    return int(f"{generator:0{MEMORY + 1}b}"[::-1], 2)


def _bits(value: int, count: int) -> Bits:
    return np.array([value >> place & 1 for place in reversed(range(count))], np.uint8)


def _checksum(message: int) -> int:
    return binascii.crc_hqx(message.to_bytes(BITS // 8, "big"), 0xFFFF)
