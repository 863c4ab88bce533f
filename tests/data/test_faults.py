"""Films with one thing wrong: it is wrong where and when it is said to be, and nowhere else."""

import numpy as np
import pytest

from praxino.data.diorama.faults import FAULTS, faulty
from praxino.data.diorama.world import KINDS


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", [900])
def test_a_fault_is_where_it_is_said_to_be(fault, seed):
    film = faulty(fault, seed, 64)
    assert film.fault == fault
    assert film.frames.shape == (17, 64, 64, 3)
    assert 0 <= film.first <= film.last < 17
    left, top, width, height = film.box
    assert min(left, top, width, height) >= 0
    assert max(left + width, top + height) <= 1 + 1e-6
    assert width * height < 0.85
    named = any(kind in film.text for kind in KINDS)
    assert named != (fault == "tiling")
    again = faulty(fault, seed, 64)
    assert np.array_equal(again.frames, film.frames)


@pytest.mark.parametrize("fault", ["gone", "colour", "mirror"])
def test_outside_of_its_place_nothing_is_changed(fault, monkeypatch):
    from praxino.data.diorama import faults

    true = {}
    render = faults.render

    def kept(scene, height, width):
        true.setdefault("first", render(scene, height, width))
        return render(scene, height, width)

    monkeypatch.setattr(faults, "render", kept)
    film = faulty(fault, 0, 64)
    changed = np.abs(film.frames.astype(int) - true["first"]).sum(3) > 30
    assert changed.any()
    assert not changed[: film.first].any()
    left, top, width, height = (round(64 * part) for part in film.box)
    inside = changed[:, max(0, top - 3) : top + height + 12, max(0, left - 3) : left + width + 12]
    assert inside.sum() > 0.5 * changed[film.first :].sum()
