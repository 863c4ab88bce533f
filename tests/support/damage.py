"""Damaged files, made by chance and read in a process that may not take much memory."""

import os
import resource
import signal
import struct
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from praxino import processes
from praxino.errors import PraxinoError
from praxino.provenance.c2pa import read
from praxino.provenance.verify import CODES, verify
from praxino.provenance.watermark.scan import windows
from praxino.storage.media.frames import probe

ADDRESSES = 2**30
"""Bytes of addresses that the process may take; libraries have 600 MiB of them."""
SHARE = 50
"""Every so many files are looked at by all of `verify`: the search costs most, and sees numbers
only.
"""


class Seen(NamedTuple):
    """How many files were still as signed, how many refused, the slowest one's seconds, and
    kilobytes in memory.
    """

    signed: int
    refused: int
    slowest: float
    peak: int


def limited() -> None:
    processes.init_worker()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))


def killed(_: Path) -> None:
    """What some damage does to some decoder."""
    os.abort()


def read_all(seed: Path, folder: Path, count: int) -> Seen:
    """Damage a file in so many ways, and read statements and frames of each."""
    folder.mkdir()
    rng, whole, beside = np.random.default_rng(count), seed.read_bytes(), seed.with_suffix(".c2pa")
    target, signed, refused, slowest = folder / seed.name, 0, 0, 0.0
    for number in range(count):
        target.write_bytes(damaged(whole, rng))
        if beside.exists():
            statements = beside.read_bytes()
            (folder / beside.name).write_bytes(
                damaged(statements, rng) if number % 2 else statements
            )
        started, problem = time.process_time(), ""
        try:
            signed += read.read(target).state in ("valid", "trusted")
            windows(target, probe(target))
            if number % SHARE == 0:
                assert verify(target).outcome in set(CODES) - {"unreadable"}
        except PraxinoError as error:
            problem = str(error)
        assert "\n" not in problem
        refused += bool(problem)
        slowest = max(slowest, time.process_time() - started)
    return Seen(signed, refused, slowest, peak())


def peak() -> int:
    """Kilobytes in memory, at most so far; what `resource` says begins with what the parent process
    had.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut short, bits flipped, sizes exaggerated, parts doubled, parts lost, or the head made
    up.
    """
    fresh, length = bytearray(data), len(data)
    place = int(rng.integers(length))
    match int(rng.integers(6)):
        case 0:
            del fresh[place:]
        case 1:
            for spot in rng.integers(0, length, int(rng.integers(1, 20))):
                fresh[spot] ^= 1 << int(rng.integers(8))
        case 2:  # the size of a box, perhaps
            fresh[place : place + 4] = struct.pack(
                ">I", int(rng.choice([0, 1, 7, 2**31 - 1, 2**31, 2**32 - 1]))
            )
        case 3:
            count, source = int(rng.integers(1, 2000)), int(rng.integers(length))
            fresh[place : place + count] = data[source : source + count]
        case 4:
            del fresh[place : place + int(rng.integers(1, 500))]
        case _:
            for spot in rng.integers(0, min(length, 600), int(rng.integers(1, 8))):
                fresh[spot] = int(rng.integers(256))
    return bytes(fresh)


def dies(number: int) -> int:
    """0 kills the process that asks for it."""
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return number
