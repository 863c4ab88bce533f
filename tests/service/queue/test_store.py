"""Jobs are claimed once, moved lawfully, and lost by nobody's death; on both databases."""

import contextlib
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.errors import InputError, JobError, LimitError
from praxino.request import complete
from praxino.service import api_keys
from praxino.service.queue import schema
from praxino.service.queue.jobs import TRANSITIONS, Job, JobResult, WorkerInfo
from praxino.service.queue.quotas import Quota
from praxino.service.queue.store import MAX_ATTEMPTS, Store
from support.client import CARD, WORKER

KINDS = ("video", "image", "detect", "verify")
ORDER = complete(CARD, {"prompt": "a cat"})[0]


def claim(store, worker="w", models=("m",), kinds=KINDS):
    return store.claim(worker, models, kinds)


def test_a_job_goes_through_its_life(store, job):
    given_in = store.submit(job(order=complete(CARD, {"prompt": "a cat", "seed": 2**40})[0]))
    assert (given_in.status, given_in.number > 0, store.position(given_in)) == ("queued", True, 0)
    mine = claim(store)
    assert (mine.id, mine.status, mine.attempts, mine.request.seed) == (
        given_in.id,
        "in_progress",
        1,
        2**40,
    )
    assert claim(store) is None
    heard = store.beat(mine, 5, 20, 1.5)
    assert (heard.stop, heard.watched) == (False, False)
    seen = store.get(mine.id)
    assert (seen.step, seen.progress, seen.eta) == (5, 25, 1.5)
    done = store.end(mine, "completed", keep=60, result=JobResult(), size=10)
    assert (done.status, done.progress, done.ended) == ("completed", 100, True)
    assert done.created <= done.started <= done.completed < done.expires
    assert store.get(mine.id) == done


def test_the_table_of_transitions_is_the_law(store, job):
    for status in TRANSITIONS:
        one = job(status=status)
        for other in TRANSITIONS:
            if other in TRANSITIONS[status]:
                one.require_move(other)
            else:
                with pytest.raises(JobError, match="cannot become"):
                    one.require_move(other)
    mine = (store.submit(job()), claim(store))[1]
    store.end(mine, "completed")
    for status in ("completed", "failed", "cancelled", "queued"):
        with pytest.raises(JobError, match="not mine"):
            store.end(mine, status)


def test_many_workers_never_share_a_job(store, job):
    """Four threads claim sixty jobs: each is had once."""
    store.lease = 60.0
    for _ in range(60):
        store.submit(job())
    had: list[list[Job]] = [[] for _ in range(4)]

    def work(number):
        while (mine := claim(store, f"w{number}")) is not None or store.counts().get(
            ("video", "queued")
        ):
            if mine is not None:
                had[number].append(mine)
                store.beat(mine)
                store.end(mine, "completed")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [mine.id for each in had for mine in each]
    assert len(every) == len(set(every)) == 60
    assert all(mine.attempts == 1 for each in had for mine in each)


def test_a_killed_workers_job_is_begun_again_once_and_the_dead_cannot_end_it(store, job):
    store.submit(job())
    dead = claim(store, "dead")
    assert claim(store, "next") is None
    time.sleep(store.lease * 1.2)
    again = claim(store, "next")
    assert (again.id, again.attempts, again.worker) == (dead.id, 2, "next")
    assert claim(store, "third") is None
    for act in (store.beat, lambda one: store.end(one, "completed")):
        with pytest.raises(JobError, match="not mine"):
            act(dead)
    assert store.end(again, "completed").attempts == 2


def test_a_job_that_ends_its_workers_is_given_up(store, job):
    store.submit(job())
    for attempt in range(MAX_ATTEMPTS):
        assert claim(store, f"w{attempt}").attempts == attempt + 1
        time.sleep(store.lease * 1.2)
    assert claim(store) is None
    store.to_sweep()
    [(found, *_), _] = store.page(None, KINDS, None, 1)
    assert (found.status, found.error.code) == ("failed", "worker_lost")
    assert "3 workers" in found.error.message


def test_what_is_handed_back_has_not_been_tried(store, job):
    store.submit(job())
    for _ in range(MAX_ATTEMPTS + 2):
        mine = claim(store)
        assert mine.attempts == 1
        assert store.end(mine, "queued").status == "queued"


def test_priorities_come_first_and_equal_ones_in_turn(store, job):
    low, first, second, high = (store.submit(job(priority=each)) for each in (-1, 0, 0, 1))
    assert [store.position(each) for each in (low, first, second, high)] == [3, 1, 2, 0]
    assert [claim(store).id for _ in range(4)] == [high.id, first.id, second.id, low.id]


def test_a_worker_takes_what_it_can_do(store, job):
    store.submit(job(model="large"))
    store.submit(job("detect", model=""))
    assert claim(store, kinds=("video",)) is None
    assert claim(store).kind == "detect"
    assert claim(store, models=("m", "large")).model == "large"


def test_stopping(store, job):
    waiting = store.submit(job())
    assert store.cancel(waiting).status == "cancelled"
    assert store.cancel(waiting).status == "cancelled"  # twice is as once
    assert claim(store) is None
    store.submit(job())
    mine = claim(store)
    assert store.cancel(mine).status == "in_progress"
    assert store.beat(mine).stop
    ended = store.end(mine, "cancelled", result=JobResult(files={"content": "film.mp4"}))
    assert store.cancel(ended).status == "cancelled"
    finished = (store.submit(job()), claim(store))[1]
    store.end(finished, "completed")
    with pytest.raises(JobError, match="is completed: it cannot become cancelled"):
        store.cancel(finished)


def test_a_stopped_job_whose_worker_dies_is_not_begun_again(store, job):
    store.submit(job())
    mine = claim(store)
    store.cancel(mine)
    time.sleep(store.lease * 1.2)
    assert claim(store) is None
    store.to_sweep()
    assert store.get(mine.id).status == "cancelled"


def test_what_is_stopped_and_handed_back_at_once_has_ended(store, job):
    """Its worker was told to leave before it heard that somebody wants the job to stop."""
    store.submit(job())
    mine = claim(store)
    store.cancel(mine)
    ended = store.end(mine, "queued", keep=60)
    assert (ended.status, ended.expires is not None) == ("cancelled", True)
    assert claim(store) is None


def test_pictures_are_those_of_the_present_attempt(store, job):
    store.submit(job())
    dead = claim(store, "dead")
    store.show(dead, 15, b"before")
    time.sleep(store.lease * 1.2)
    again = claim(store, "next")
    assert store.preview(again) is None
    store.show(dead, 16, b"from the dead")
    assert store.preview(again) is None
    store.show(again, 1, b"now")
    assert store.preview(again) == (1, b"now")


def test_the_first_key_gets_what_was_there_before(store, job):
    own = store.submit(job())
    key, _ = api_keys.add_key(store.database, "anna", Quota())
    assert api_keys.claim_unowned(store.database, key) == 1
    assert store.get(own.id, key.id).id == own.id


def test_jobs_know_the_storage_of_their_films(store):
    assert store.storage("a" * 32) == "a" * 32
    assert store.storage("b" * 32) == "a" * 32


def test_deleting_takes_it_from_whoever_works_on_it(store, job):
    store.submit(job())
    mine = claim(store)
    store.show(mine, 1, b"picture")
    assert store.delete(mine)
    assert not store.delete(mine)
    assert (store.get(mine.id), store.preview(mine)) == (None, None)
    with pytest.raises(JobError, match="not mine"):
        store.beat(mine)
    with pytest.raises(JobError, match="was deleted"):
        store.cancel(mine)


def test_pages_are_whole_in_both_directions(store, job):
    every = [store.submit(job(owner="a")) for _ in range(7)]
    store.submit(job(owner="b"))
    store.submit(job("detect", owner="a"))
    for ascending in (False, True):
        found, after, more = [], None, True
        while more:
            page, more = store.page("a", ("video",), after, 3, ascending)
            found += page
            after = page[-1]
        assert [one.id for one in found] == [
            one.id for one in (every if ascending else every[::-1])
        ]


def test_previews_and_who_watches(store, job):
    store.submit(job())
    mine = claim(store)
    assert store.preview(mine) is None
    store.show(mine, 1, b"first")
    store.show(mine, 2, b"second")
    assert store.preview(mine) == (2, b"second")
    assert store.preview(mine, after=2) is None
    store.watch(mine, 60)
    assert store.beat(mine).watched
    store.end(mine, "completed")
    assert store.preview(mine) is None


def test_quotas_hold_and_deleting_gives_nothing_back(store, job):
    may = Quota(per_minute=3)
    for _ in range(3):
        store.delete(store.submit(job(owner="a"), may))
    with pytest.raises(LimitError, match="more than 3 a minute") as refused:
        store.submit(job(owner="a"), may)
    assert 0 < refused.value.retry_after <= 60
    store.submit(job(owner="b"), may)
    for _ in range(4):
        store.submit(job(owner="c"), Quota(per_minute=0, per_day=4))
    with pytest.raises(LimitError, match="more than 4 a day"):
        store.submit(job(owner="c"), Quota(per_minute=0, per_day=4))
    for _ in range(2):
        store.submit(job(owner="d"), Quota(at_a_time=2))
    with pytest.raises(LimitError, match="more than 2 at a time"):
        store.submit(job(owner="d"), Quota(at_a_time=2))
    assert len(store.page("d", ("video",), None, 9)[0]) == 2


def test_two_that_ask_at_once_do_not_both_get_the_last_place(store, job):
    may, got = Quota(per_minute=0, at_a_time=5), []

    def ask():
        for _ in range(5):
            with contextlib.suppress(LimitError):
                got.append(store.submit(job(owner="a"), may))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 5


def test_what_is_old_or_too_much_is_swept(store, job):
    ended = []
    for keep in (0.0, 60.0, 60.0, None):
        store.submit(job())
        ended.append(store.end(claim(store), "completed", keep=keep, size=100))
    store.submit(job())
    time.sleep(0.01)
    assert [one.id for one in store.to_sweep()] == [ended[0].id]
    store.delete(ended[0])
    assert store.to_sweep(room=300) == []
    assert [one.id for one in store.to_sweep(room=150)] == [ended[1].id, ended[2].id]
    stopped = store.cancel(store.submit(job()))  # by nobody who knows how long it is kept
    time.sleep(0.01)
    assert {one.id for one in store.to_sweep(keep=0.005)} == {ended[3].id, stopped.id}
    assert store.to_sweep(keep=60.0) == []


def test_workers_come_and_go(store):
    assert store.workers() == []
    store.announce("a", WorkerInfo(kinds=KINDS))
    assert store.workers() == [(True, WorkerInfo(kinds=KINDS))]
    store.announce("a", WORKER)
    assert store.workers() == [(True, WORKER)]
    store.leave("a")
    assert store.workers() == [(False, WORKER)]


def test_what_a_worker_of_another_release_announces_is_left_out(store):
    with store.database.write() as connection:
        about = {"models": [{"id": "old"}], "kinds": ["video"]}
        connection.execute(
            schema.workers.insert().values(id="old", about=about, seen=store.database.now())
        )
    assert store.workers() == []


def test_jobs_of_another_release_are_listed_and_claimed(store, job):
    kept = store.submit(job())
    with store.database.write() as connection:
        order = {"prompt": "a cat", "frames": 9, "colour": "red"}
        connection.execute(schema.jobs.update().values(order=order, result={"mood": 1}))
    assert (store.get(kept.id).request.prompt, store.get(kept.id).request.frames) == ("a cat", 9)
    assert claim(store).id == kept.id


def test_a_second_program_finds_everything(url, job):
    first = Store(url)
    kept = first.submit(job())
    first.database.close()
    second = Store(url)
    assert second.get(kept.id) == kept
    second.database.close()


def test_keys_are_known_by_their_hashes_alone(store, url):
    key, text = api_keys.add_key(store.database, "anna", Quota(per_day=5))
    assert api_keys.find_key(store.database, text) == key
    assert api_keys.find_key(store.database, text + "x") is None
    assert api_keys.find_key(store.database, api_keys.hash_key(text)) is None
    with store.database.read() as connection:
        everything = repr(connection.execute(api_keys.keys.select()).all())
    assert text not in everything
    assert text.removeprefix(api_keys.PREFIX) not in everything
    assert api_keys.revoke_key(store.database, key.id).revoked
    assert api_keys.find_key(store.database, text) is None
    assert [each.id for each in api_keys.all_keys(store.database)] == [key.id]
    with pytest.raises(InputError, match="no key"):
        api_keys.revoke_key(store.database, "key_0")
    with pytest.raises(InputError, match="on a line"):
        api_keys.add_key(store.database, "two\nlines", Quota())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "no address"),
        ("mysql://host/name", "SQLite or PostgreSQL"),
        ("sqlite://", "forgotten"),
        ("postgresql://u:secret@127.0.0.1:1/none", "refused"),
        ("sqlite:////proc/none/jobs.sqlite", "cannot make"),
    ],
)
def test_addresses_that_cannot_be_used(url, said):
    with pytest.raises(InputError, match=said) as error:
        Store(url)
    assert "secret" not in str(error.value)


@given(step=st.integers(0, 2000), steps=st.integers(0, 1000))
def test_progress_is_whole_only_at_the_end(step, steps):
    one = Job(id="video_0", kind="video", status="in_progress", order=ORDER, step=step, steps=steps)
    assert 0 <= one.progress <= 99
