"""Many files over processes that may die."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from praxino import processes
from support.damage import dies


def test_what_kills_its_process_is_given_up_and_the_rest_goes_on(monkeypatch):
    jobs = [(Path(f"{index}.mp4"),) for index in range(9)]
    killer = jobs[3][0]

    def run(_work, asked, _processes, _ready):
        broken = False
        for job in asked:
            done, broken = Future(), broken or job[0] == killer
            if broken:
                done.set_exception(BrokenProcessPool())
            else:
                done.set_result("read")
            yield job, done

    monkeypatch.setattr(processes, "run_pool", run)
    found = list(processes.map_isolated(len, jobs, 2, lambda path: "killed"))
    assert sorted(job for job, _ in found) == jobs
    assert [job[0] for job, said in found if said == "killed"] == [killer]


@pytest.mark.timeout(60)
def test_real_processes_survive_one_that_is_killed():
    found = processes.map_isolated(dies, [(number,) for number in range(4)], 2, lambda _: -1)
    assert sorted((job[0], said) for job, said in found) == [
        (0, -1),
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_workers_leave_memory(monkeypatch):
    # 8 GiB
    monkeypatch.setattr(
        processes.os, "sysconf", lambda name: 2**21 if name == "SC_PHYS_PAGES" else 4096
    )
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert processes.workers(100) == 4
    assert processes.workers(2) == 2
