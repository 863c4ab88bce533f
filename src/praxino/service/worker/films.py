"""Carry out a job of a film of many shots: takes are stored as they are made, so that a worker that
is killed loses the one that it was at.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.errors import MediaError
from praxino.service.queue.films import Film, Films
from praxino.service.queue.jobs import FilmRequest, Job, JobResult
from praxino.service.worker.execute import Stopped, propose
from praxino.storage.objects import Objects

if TYPE_CHECKING:
    from praxino.generation.pipeline import Pipeline
    from praxino.generation.progress import Progress
    from praxino.generation.takes import Take, Takes


def make_film(
    job: Job,
    pipeline: "Pipeline",
    folder: Path,
    objects: Objects,
    on_step: Callable[["Progress"], bool],
    raise_if_stopped: Callable[[], None],
) -> JobResult:
    """Make the takes that are missing, and put the film together if all are there.

    Stopped on the way, what was made is kept, and `Stopped` is raised.

    Raises
    ------
    MediaError
        If the film is gone.
    InputError
        For a shot that cannot be made, which the error names.
    """
    from praxino.generation.memory import Memory
    from praxino.generation.shots import FilmMaker

    assert isinstance(job.order, FilmRequest)
    films = Films(objects, job.owner)
    film = _find(films, job.order.film)
    takes = _fetched(films, film.id, folder / "takes")
    memory = Memory(objects, job.owner)
    maker = FilmMaker(pipeline, film.script, folder, takes, memory)
    notes, steps = maker.check(), 0
    total = max(1, len(job.order.only or maker.missing()))
    done: set[tuple[str, int]] = set()
    try:
        for shot, number, progress in maker.make(only=job.order.only):
            steps += 1
            if progress.video is not None and pipeline.card.grammar:
                name = f"{film.script.title or film.id}, shot {shot.id}"
                propose(memory, maker.references_of(shot), progress.video.frames, name)
            done.add((shot.id, number))
            step = (len(done) - 1) * progress.steps + progress.step
            on_step(
                dataclasses.replace(
                    progress, step=step, steps=max(total, len(done)) * progress.steps
                )
            )
    except Stopped:
        _save_current(films, film.id, maker.current())
        raise
    current = maker.current()
    _save_current(films, film.id, current)
    files = {}
    if len(current) == len(film.script.shots):
        maker.assembled(on_step=raise_if_stopped).save(folder / "film.mp4")
        files["content"] = "film.mp4"
    return JobResult(files=files, steps=steps, notes=tuple(notes))


def _find(films: Films, id_: str) -> Film:
    film = films.find(id_)
    if film is None:
        raise MediaError("the film was deleted", "its script, again")
    return film


def _save_current(films: Films, id_: str, current: dict[str, int]) -> None:
    """Keep which takes count, beside whatever else was said of the film meanwhile."""
    film = _find(films, id_)
    films.save(film.model_copy(update={"current": current}))


def _fetched(films: Films, id_: str, folder: Path) -> "Takes":
    """The takes of a film in a folder of this machine; new ones are stored as they are added."""
    from praxino.generation.takes import Takes, dump_takes

    folder.mkdir()
    stored = films.takes(id_)
    (folder / "takes.json").write_text(dump_takes(stored))

    def store(take: "Take") -> None:
        for path in (takes.path(take), takes.data(take)):
            films.objects.put(films.path(id_, path.name), path)
        if films.find(id_) is None:
            films.delete(id_)  # it was deleted meanwhile
        else:
            films.save_takes(id_, takes.all)

    def store_enlarged(take: "Take") -> None:
        if films.find(id_) is not None:
            path = takes.enlargement(take)
            films.objects.put(films.path(id_, path.name), path)

    takes = Takes(folder, store, store_enlarged)
    for take in stored:
        for path in (takes.path(take), takes.data(take), takes.enlargement(take)):
            if films.objects.size(films.path(id_, path.name)) is not None:
                films.objects.get(films.path(id_, path.name), path)
    return takes
