"""What a worker makes of jobs: films with their pictures, partial ones, failures; and what its
death leaves behind.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import praxino
from praxino.errors import CheckpointError, GenerationError, InputError, MediaError
from praxino.provenance.verify import verify
from praxino.request import Request
from praxino.service.locations import Locations
from praxino.service.queue.jobs import ANALYSES, MADE, AnalysisRequest, Job, JobResult, new_id
from praxino.service.queue.retention import RetentionPolicy, delete_job, orphans, sweep
from praxino.service.queue.store import Store
from praxino.service.supervisor import EXIT_TEMPFAIL
from praxino.service.worker import execute
from praxino.service.worker.heartbeat import Heartbeat
from praxino.service.worker.worker import (
    SCRATCH_PREFIX,
    _remove_scratch_of_the_dead,
    _scratch,
    to_failure,
)
from praxino.storage.media.frames import read_video
from praxino.storage.media.video import Video
from praxino.storage.objects import Objects

ORDER = {
    "prompt": "a red ball bounces",
    "negative": "",
    "seed": 5,
    "steps": 4,
    "frames": 5,
    "height": 32,
    "width": 32,
}
REST = {"guidance": 2.0, "sampler": "unipc", "fps": 8.0, "shift": 1.0}


def ask(studio, kind="video", upload=None, **more) -> Job:
    if kind in ANALYSES:
        order = AnalysisRequest(name=more.pop("name"))
    else:
        order = Request(**{**ORDER, **REST, **more.pop("order", {})})
    job = Job(id=new_id(kind), kind=kind, model="tiny" if kind in MADE else "", order=order, **more)
    if upload:
        job = job.model_copy(update={"input": upload.name})
        studio.objects.put(f"{job.id}/{upload.name}", upload)
    return studio.store.submit(job)


def do(studio, job) -> Job:
    claimed = studio.store.claim(studio.worker.id, ["tiny"], studio.worker.kinds)
    assert claimed.id == job.id
    studio.worker.do(claimed)
    return studio.store.get(job.id)


def fetched(studio, job, name, folder) -> Path:
    target = folder / f"{job.id}-{job.result.files[name]}"
    studio.objects.get(job.file(job.result.files[name]), target)
    return target


@pytest.fixture(name="studio")
def _studio(studio_of, tiny_model):
    return studio_of(tiny_model)


def test_a_film_is_what_the_library_makes_marked_and_signed(studio, tiny_model, tmp_path):
    done = do(studio, ask(studio))
    assert (done.status, done.step, done.steps, done.progress) == ("completed", 4, 4, 100)
    film = fetched(studio, done, "content", tmp_path)
    settings = {name: value for name, value in (ORDER | REST).items() if name != "prompt"}
    same = praxino.load(tiny_model, device="cpu").generate(ORDER["prompt"], **settings)
    same.save(tmp_path / "same.mp4")
    assert np.array_equal(read_video(film).frames, read_video(tmp_path / "same.mp4").frames)
    for name in ("content", "thumbnail", "spritesheet"):
        said = verify(fetched(studio, done, name, tmp_path))
        assert (said.outcome, said.credentials.own, said.credentials.source) == (
            "signed",
            True,
            "trainedAlgorithmicMedia",
        )
    assert read_video(fetched(studio, done, "spritesheet", tmp_path)).frames.shape == (
        1,
        64,
        128,
        3,
    )
    assert read_video(film).record["seed"] == 5


def test_a_picture(studio, tmp_path):
    done = do(studio, ask(studio, "image", order={"frames": 1}))
    assert read_video(fetched(studio, done, "content", tmp_path)).frames.shape == (1, 32, 32, 3)
    assert list(done.result.files) == ["content"]


def test_a_given_picture_is_stated_by_its_name_and_no_path_gets_out(studio, tmp_path):
    Image.new("RGB", (48, 48), (200, 30, 30)).save(tmp_path / "input.png")
    done = do(studio, ask(studio, upload=tmp_path / "input.png", order={"image": "input.png"}))
    assert done.status == "completed", done.error
    film = fetched(studio, done, "content", tmp_path)
    assert verify(film).credentials.ingredients == ("input.png",)
    record = json.dumps(read_video(film).record) + done.result.model_dump_json()
    assert '"image": "input.png"' in record
    assert "/" not in record.replace("image/", "").replace("\\/", "") or str(tmp_path) not in record
    assert "praxino-" not in record


def test_stopped_on_the_way_the_film_is_kept(studio, tmp_path, monkeypatch):
    """Every report beats, and after the second step somebody has had enough."""
    monkeypatch.setattr("praxino.service.worker.heartbeat.REPORT_SECONDS", 0.0)
    job = ask(studio, order={"steps": 30})
    beat = studio.store.beat

    def beating(one, step=0, steps=0, eta=None):
        if step == 2:
            studio.store.cancel(one)
        return beat(one, step, steps, eta)

    monkeypatch.setattr(studio.store, "beat", beating)
    done = do(studio, job)
    assert (done.status, done.result.stopped, done.result.steps) == ("cancelled", True, 2)
    film = read_video(fetched(studio, done, "content", tmp_path))
    assert (film.frames.shape, film.record["stopped"]) == ((5, 32, 32, 3), 2)
    assert verify(fetched(studio, done, "content", tmp_path)).outcome == "signed"


def test_stopped_before_the_first_step_there_is_nothing_to_keep(studio, monkeypatch):
    job = ask(studio)
    claimed = studio.store.claim(studio.worker.id, ["tiny"], studio.worker.kinds)
    studio.store.cancel(job)
    monkeypatch.setattr(
        Heartbeat, "step", lambda *_: (_ for _ in ()).throw(execute.Stopped(keep=False))
    )
    studio.worker.do(claimed)
    done = studio.store.get(job.id)
    assert (done.status, done.result) == ("cancelled", JobResult())


def test_who_leaves_hands_the_job_back(studio, monkeypatch):
    job = ask(studio, order={"steps": 50})
    monkeypatch.setattr("praxino.service.worker.heartbeat.REPORT_SECONDS", 0.0)
    beat = studio.store.beat
    monkeypatch.setattr(
        studio.store,
        "beat",
        lambda one, *rest: (rest and rest[0] == 3 and studio.worker.leave(), beat(one, *rest))[1],
    )
    done = do(studio, job)
    assert (done.status, done.attempts, done.step, done.worker) == ("queued", 0, 0, "")
    assert studio.objects.size(f"{job.id}/1/film.mp4") is None
    studio.worker.leaving.clear()
    monkeypatch.setattr(studio.store, "beat", beat)
    assert do(studio, job).status == "completed"


def test_a_job_deleted_meanwhile_leaves_nothing(studio, monkeypatch, tmp_path):
    monkeypatch.setattr("praxino.service.worker.heartbeat.REPORT_SECONDS", 0.0)
    job = ask(studio, order={"steps": 30})
    beat = studio.store.beat
    monkeypatch.setattr(
        studio.store,
        "beat",
        lambda one, *rest: (
            rest and rest[0] == 2 and delete_job(studio.store, studio.objects, job),
            beat(one, *rest),
        )[1],
    )
    assert do(studio, job) is None
    assert not [path for path in (tmp_path / "films").rglob("*") if path.is_file()]


def test_what_killed_workers_left_goes_when_it_is_done(studio, tmp_path):
    job = ask(studio)
    studio.store.lease = 0.1
    dead = studio.store.claim("dead", ["tiny"], studio.worker.kinds)
    studio.objects.write(dead.file("film.mp4"), b"half")
    time.sleep(0.2)
    studio.store.lease = 30.0
    done = do(studio, job)
    assert (done.status, done.attempts) == ("completed", 2)
    assert sorted(path.name for path in (tmp_path / "films" / job.id).iterdir()) == ["2"]


def test_previews_are_made_for_who_looks(studio, monkeypatch):
    monkeypatch.setattr("praxino.service.worker.heartbeat.REPORT_SECONDS", 0.0)
    shown = []
    monkeypatch.setattr(studio.store, "show", lambda _, step, image: shown.append((step, image)))
    do(studio, ask(studio, order={"steps": 6}))
    assert shown == []
    job = ask(studio, order={"steps": 40})
    studio.store.watch(job, 60)
    do(studio, job)
    assert shown
    assert all(image[:4] == b"RIFF" for _, image in shown)
    assert [step for step, _ in shown] == sorted({step for step, _ in shown})


@pytest.mark.slow
def test_files_are_looked_at(studio, tmp_path):
    made = do(studio, ask(studio))
    film = fetched(studio, made, "content", tmp_path).rename(tmp_path / "input.mp4")
    said = do(studio, ask(studio, "verify", film, name="holiday.mp4")).result.report
    assert (said["outcome"], said["path"]) == ("signed", "holiday.mp4")
    found = do(studio, ask(studio, "detect", film, name="holiday.mp4"))
    assert found.result.report["verdict"] == "inconclusive"
    page = fetched(studio, found, "page", tmp_path).read_text()
    assert "holiday.mp4" in page
    assert studio.objects.size(f"{found.id}/input.mp4") is None  # it was there to be looked at
    assert str(tmp_path) not in page


@pytest.mark.slow
def test_a_file_that_is_none_is_said_to_be_none(studio, tmp_path):
    (tmp_path / "input.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(300))
    done = do(studio, ask(studio, "detect", tmp_path / "input.mp4", name="odd.mp4"))
    assert (done.status, done.error.code) == ("failed", "unreadable_file")
    assert done.error.message.startswith("cannot read odd.mp4")
    assert studio.objects.size(f"{done.id}/input.mp4") is None


@pytest.mark.parametrize("kind", ["detect", "verify"])
def test_files_that_nobody_looked_at_go_with_the_next_sweep(studio, tmp_path, kind):
    (tmp_path / "input.mp4").write_bytes(b"x")
    job = ask(studio, kind, tmp_path / "input.mp4", name="odd.mp4")
    studio.store.cancel(job)
    assert sweep(studio.store, studio.objects, RetentionPolicy()) == 0
    assert studio.objects.size(f"{job.id}/input.mp4") is None
    assert studio.store.get(job.id).input == ""
    assert studio.store.uncleared() == []


def test_a_failed_film_counts_the_picture_that_it_began_with(studio, tmp_path):
    Image.new("RGB", (48, 48)).save(tmp_path / "input.png")
    job = ask(studio, upload=tmp_path / "input.png", order={"image": "input.png", "frames": 6})
    assert do(studio, job).status == "failed"
    assert studio.objects.size(f"{job.id}/input.png") > 10
    assert sweep(studio.store, studio.objects, RetentionPolicy(bytes=10)) == 1
    assert studio.objects.folders() == []


def test_an_order_that_cannot_be_is_a_failure_with_the_reason(studio):
    done = do(studio, ask(studio, order={"frames": 6}))
    assert (done.status, done.error.code) == ("failed", "invalid_request")
    assert "frames=6" in done.error.message


def test_a_full_disk_fails_the_job_and_leaves_nothing(studio, tmp_path, room_for, monkeypatch):
    job = ask(studio)
    put = studio.objects.put

    def full(name, source):
        with room_for(200):
            return put(name, source)

    monkeypatch.setattr(studio.objects, "put", full)
    done = do(studio, job)
    assert (done.status, done.error.code) == ("failed", "storage_full")
    assert not [path for path in (tmp_path / "films").rglob("*") if path.is_file()]
    monkeypatch.setattr(studio.objects, "put", put)
    assert do(studio, ask(studio)).status == "completed"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("frames=6: must be 4k+1"), "invalid_request", "frames=6"),
        (MediaError("cannot read it"), "unreadable_file", "cannot read it"),
        (CheckpointError("/secret/model is damaged"), "model_unavailable", "who runs this server"),
        (GenerationError("step 3 is not a number"), "generation_failed", "step 3"),
        (MemoryError(), "out_of_memory", "smaller"),
        (RuntimeError("CUDA out of memory at /secret"), "out_of_memory", "smaller"),
        (RuntimeError("/secret/path"), "internal_error", "server's log"),
        (OSError(28, "No space left on device"), "storage_full", "no room"),
    ],
)
def test_what_is_told_of_errors(error, code, said):
    told = to_failure(error)
    assert told.code == code
    assert said in told.message
    assert "/secret" not in told.message


def test_sweeping(studio, tmp_path):
    studio.worker.keeping = RetentionPolicy(days=1e-9)
    done = do(studio, ask(studio))
    waiting = ask(studio)
    time.sleep(0.01)
    assert sweep(studio.store, studio.objects, studio.worker.keeping) == 1
    assert studio.store.get(done.id) is None
    assert studio.store.get(waiting.id) is not None
    assert not (tmp_path / "films" / done.id).exists()
    studio.worker.keeping = RetentionPolicy(days=0)
    kept = do(studio, waiting)
    assert kept.expires is None
    assert sweep(studio.store, studio.objects, RetentionPolicy(bytes=10**9)) == 0
    assert sweep(studio.store, studio.objects, RetentionPolicy(bytes=10)) == 1


def test_files_of_no_job_go_when_they_have_been_so_for_a_while(studio, tmp_path):
    kept = ask(studio)
    studio.objects.write(f"{kept.id}/input.png", b"x")
    strange = new_id("video")
    studio.objects.write(f"{strange}/1/film.mp4", b"x")
    (tmp_path / "films" / "notes").mkdir()
    found = orphans(studio.store, studio.objects, frozenset())
    assert found == {strange}
    assert studio.objects.size(f"{strange}/1/film.mp4") == 1
    assert orphans(studio.store, studio.objects, found) == frozenset()
    assert sorted(studio.objects.folders()) == ["notes", kept.id]


def test_the_database_may_go_away_for_a_while(studio, monkeypatch):
    """The film is made, and its end is written when the database answers again."""
    job, end, calls = ask(studio), studio.store.end, []

    def away(*rest, **more):
        calls.append(1)
        if len(calls) < 2:
            raise ConnectionError("gone")
        return end(*rest, **more)

    monkeypatch.setattr(studio.store, "end", away)
    assert do(studio, job).status == "completed"


def test_a_film_whose_end_was_stored_but_not_answered_is_kept(studio, tmp_path, monkeypatch):
    job, end, calls = ask(studio), studio.store.end, []

    def unanswered(*rest, **more):
        ended = end(*rest, **more)
        calls.append(1)
        if len(calls) < 2:
            raise ConnectionError("the answer is lost")
        return ended

    monkeypatch.setattr(studio.store, "end", unanswered)
    done = do(studio, job)
    assert done.status == "completed"
    assert read_video(fetched(studio, done, "content", tmp_path)).frames.shape[0] == 5


def test_the_storage_may_go_away_for_a_while(studio, monkeypatch):
    put, calls = studio.objects.put, []

    def away(*rest):
        calls.append(1)
        if len(calls) < 2:
            raise ConnectionError("gone")
        return put(*rest)

    monkeypatch.setattr(studio.objects, "put", away)
    assert do(studio, ask(studio)).status == "completed"


def test_temporary_folders_of_killed_workers_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own = _scratch()
    names = [
        f"{own}{dead.pid}-x",
        f"{own}{os.getpid()}-x",
        f"{own}{10**20}-x",
        f"{SCRATCH_PREFIX}else-{dead.pid}-x",
        "other",
    ]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "input.mp4").write_bytes(b"x")
    _remove_scratch_of_the_dead()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_a_long_step_is_no_death(studio, monkeypatch):
    """A step that takes several leases: the pulse beats beside it."""
    studio.store.lease = 0.4
    job = ask(studio, order={"steps": 1})
    make = execute.make
    monkeypatch.setattr(execute, "make", lambda *rest: (time.sleep(1.5), make(*rest))[1])
    others = []
    thread = threading.Thread(
        target=lambda: [
            (
                time.sleep(0.1),
                others.append(studio.store.claim("thief", ["tiny"], studio.worker.kinds)),
            )
            for _ in range(12)
        ]
    )
    claimed = studio.store.claim(studio.worker.id, ["tiny"], studio.worker.kinds)
    thread.start()
    studio.worker.do(claimed)
    thread.join()
    assert set(others) == {None}
    assert studio.store.get(job.id).attempts == 1


def test_a_look_at_a_file_is_ended_when_nobody_wants_it(studio, tmp_path, monkeypatch):
    (tmp_path / "input.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(300))
    job = ask(studio, "detect", tmp_path / "input.mp4", name="odd.mp4")
    claimed = studio.store.claim(studio.worker.id, ["tiny"], studio.worker.kinds)
    studio.worker.leave()
    studio.worker.do(claimed)
    assert studio.store.get(job.id).status == "queued"


def test_films_of_another_place_are_not_these_jobs(tmp_path):
    jobs = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    Locations(jobs, str(tmp_path / "one")).open()
    Locations(jobs, str(tmp_path / "one")).open()
    with pytest.raises(InputError, match="another studio's"):
        Locations(jobs, str(tmp_path / "two")).open()
    for given, said in (
        (("postgresql://host/name", None), "no --storage"),
        (("foo", None), "no address of a database"),
        (("mysql://u:secret@host/name", None), "SQLite or PostgreSQL"),
        (("postgresql//u:secret@host/name", None), r"postgresql//u:\*\*\*@host"),
        ((None, "memory://x"), "would be forgotten"),
    ):
        with pytest.raises(InputError, match=said) as error:
            Locations.of(tmp_path, *given)
        assert "secret" not in str(error.value)


@pytest.mark.slow
def test_a_server_whose_workers_cannot_begin_ends_with_their_error(tmp_path):
    command = [
        sys.executable,
        "-m",
        "praxino",
        "serve",
        "--port",
        "0",
        "--data",
        str(tmp_path),
        "--model",
        "nosuch",
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert "no model 'nosuch'" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_workers_of_a_server_try_again_where_its_places_are_away(tmp_path):
    jobs = "postgresql://praxino:secret@127.0.0.1:1/none"
    command = [
        sys.executable,
        "-m",
        "praxino",
        "worker",
        "--jobs",
        jobs,
        "--storage",
        str(tmp_path),
    ]
    run = subprocess.run([*command, "--with-parent"], capture_output=True, text=True, input="")
    assert run.returncode == EXIT_TEMPFAIL
    assert "secret" not in run.stderr
    assert subprocess.run(command, capture_output=True, text=True).returncode == 2


@pytest.mark.slow
def test_a_stop_of_the_whole_group_hands_a_check_back(tmp_path):
    """As service managers do: the process that reads the file is told, too."""
    jobs, films = f"sqlite:///{tmp_path / 'jobs.sqlite'}", str(tmp_path / "films")
    store = Store(jobs)
    studio = SimpleNamespace(store=store, objects=Objects(films))
    Video(np.random.default_rng(0).integers(0, 256, (48, 240, 320, 3), np.uint8), 24.0).save(
        tmp_path / "input.mp4"
    )
    job = ask(studio, "detect", tmp_path / "input.mp4", name="a.mp4")
    command = [
        sys.executable,
        "-m",
        "praxino",
        "worker",
        "--kind",
        "detect",
        "--jobs",
        jobs,
        "--storage",
        films,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while store.get(job.id).status == "queued":
        time.sleep(0.05)
    time.sleep(3)  # by now it is read
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    found = store.get(job.id)
    assert (found.status, found.attempts, found.error) == ("queued", 0, None), said
    store.database.close()


@pytest.mark.slow
def test_a_worker_process_ends_when_told_and_hands_its_job_back(tiny_model, tmp_path):
    jobs, films = f"sqlite:///{tmp_path / 'jobs.sqlite'}", str(tmp_path / "films")
    store = Store(jobs)
    objects = Objects(films)
    folder = tmp_path / "tiny"
    folder.symlink_to(tiny_model)

    job = ask(SimpleNamespace(store=store, objects=objects), order={"steps": 1000})
    command = [
        sys.executable,
        "-m",
        "praxino",
        "worker",
        "--model",
        str(folder),
        "--jobs",
        jobs,
        "--storage",
        films,
    ]
    process = subprocess.Popen(
        [*command, "--with-parent"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while store.get(job.id).step < 3:
        assert process.poll() is None
        time.sleep(0.05)
    _, said = process.communicate(timeout=60)  # standard input ends: whoever started it is gone
    assert process.returncode == 0, said
    found = store.get(job.id)
    assert (found.status, found.attempts) == ("queued", 0)
    assert [alive for alive, _ in store.workers()] == [False]
    store.database.close()
