"""Fewer steps of a chain than it was trained with (Nichol & Dhariwal, arXiv 2102.09672, section 4).

Indices count steps from 0, as networks of such chains are told them.
"""

from praxino.diffusion.ddpm import Chain
from praxino.errors import InputError

EXAMPLE = "250, ddim25, or 10,10,10 of three sections"


def kept_indices(respacing: str, steps: int) -> list[int]:
    """Indices of the steps of a chain that are kept, rising.

    Parameters
    ----------
    respacing : str
        "250": so many, evenly from first to last. "10,15,20": so many of each of equal sections.
        "ddim25": so many at a whole distance, from the first on, as for DDIM in the papers.
    steps : int
        Of the chain.

    Raises
    ------
    InputError
        If there are no such steps.
    """
    if respacing.startswith("ddim"):
        (count,) = _counts(respacing.removeprefix("ddim"), sections=1)
        for every in range(1, steps):
            if len(range(0, steps, every)) == count:
                return list(range(0, steps, every))
        raise InputError(f"{respacing}: no whole distance gives {count} of {steps} steps", EXAMPLE)
    counts, kept, first = _counts(respacing, steps), list[int](), 0
    for place, count in enumerate(counts):
        size = steps // len(counts) + (place < steps % len(counts))
        if count > size:
            raise InputError(f"{respacing}: {count} of a section of {size} steps", EXAMPLE)
        distance = (size - 1) / (count - 1) if count > 1 else 1.0
        kept += [first + round(distance * number) for number in range(count)]
        first += size
    return kept


def respaced(chain: Chain, indices: list[int]) -> Chain:
    """The chain of those steps alone: as much noise after each of them as before."""
    abar = chain.abar[indices]
    before = abar.new_ones(len(abar))
    before[1:] = abar[:-1]
    return Chain(1 - abar / before)


def _counts(text: str, sections: int) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not 0 < len(counts) <= sections or min(counts) < 1:
        raise InputError(f"respacing {text!r}: must be numbers of steps", EXAMPLE)
    return counts
