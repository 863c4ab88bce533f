"""Units of work are done once, whatever dies."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from praxino.data.curation import units
from praxino.data.curation.units import digest, do, grouped, here, read_lines, write_rows
from praxino.errors import InputError


@dataclass(frozen=True)
class Doubling:
    """Doubles numbers; 13 kills its process, and each call leaves a line."""

    folder: Path
    numbers: tuple[int, ...]
    seconds: float = 0.0

    @property
    def target(self):
        return self.folder / f"{digest(map(str, self.numbers))}.jsonl"

    @property
    def jobs(self):
        return self.numbers

    def carry_out(self, job):
        if job == 13:
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(self.seconds)
        with (self.folder / "calls").open("a") as file:
            file.write(f"{job}\n")
        return {"double": 2 * job}

    def give_up(self, job):
        return {"problem": f"{job}"}

    def finish(self, results):
        write_rows(self.target, results)


def rows(some):
    return [row for unit in some for row in read_lines(unit.target)]


def doublings(folder, count, size, **more):
    parts = [range(first, min(first + size, count)) for first in range(0, count, size)]
    return [Doubling(folder, tuple(part), **more) for part in parts]


def test_a_job_that_kills_its_process_costs_its_own_row(tmp_path):
    some = doublings(tmp_path, 20, 5)
    assert len(list(here(2)(some))) == 4
    expected = [{"double": 2 * n} if n != 13 else {"problem": "13"} for n in range(20)]
    assert rows(some) == expected


def test_what_is_done_is_not_done_again(tmp_path):
    some = doublings(tmp_path, 6, 3)
    do(some[0])
    before = (tmp_path / "calls").read_text()
    do(some[0])
    assert (tmp_path / "calls").read_text() == before
    assert list(here(1)([])) == []


def test_one_item_more_changes_its_own_group_alone():
    names = [f"film {number:04}" for number in range(400)]
    before = [tuple(group) for group in grouped(names, 8, str)]
    assert [name for group in before for name in group] == names
    assert 30 < len(before) < 80
    assert max(map(len, before)) <= 32
    after = [tuple(group) for group in grouped(sorted([*names, "film 0100b"]), 8, str)]
    assert len(set(before) - set(after)) <= 2


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from data.curation.test_units import doublings
from praxino.data.curation.units import here
if __name__ == "__main__":
    for unit in here(2)(doublings(Path({folder!r}), 24, 4, seconds=0.1)):
        print(unit.target.name, flush=True)
"""


def test_a_driver_that_is_killed_leaves_whole_results_alone(tmp_path):
    tests = str(Path(__file__).parents[2])
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER.format(tests=tests, folder=str(tmp_path)))
    process = subprocess.Popen([sys.executable, str(driver)], stdout=subprocess.PIPE)
    assert process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    some = doublings(tmp_path, 24, 4)
    some = [Doubling(one.folder, tuple(n for n in one.numbers if n != 13)) for one in some]
    ready = [one for one in some if one.target.exists()]
    left = [one for one in some if not one.target.exists()]
    assert 0 < len(ready) < len(some)
    list(here(2)(left))
    assert rows(some) == [{"double": 2 * n} for n in range(24) if n != 13]


def test_names_depend_on_every_part():
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(["\udcff", "\n"]) == digest(["\udcff", "\n"])


@pytest.mark.slow
def test_on_ray_it_is_the_same(tmp_path, monkeypatch):
    import ray

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    some = doublings(tmp_path, 20, 5)
    try:
        assert len(list(units.on_ray("local")(some))) == 4
    finally:
        ray.shutdown()
    expected = [{"double": 2 * n} if n != 13 else {"problem": "13"} for n in range(20)]
    assert rows(some) == expected


def test_a_cluster_that_is_not_there_is_one_line():
    with pytest.raises(InputError, match="no Ray cluster at"):
        units.on_ray("127.0.0.1:1")
