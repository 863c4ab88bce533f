"""A film of many shots, made take by take and put together.

A shot is made again when anything changes that it was made from, and what goes on from it with it;
all other takes stay as they are. A process that is killed loses the take that it was at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np

from praxino import layout
from praxino.durations import frames_of, with_context
from praxino.edits import Edit, Extend, FilmShape, sources
from praxino.errors import GenerationError, InputError
from praxino.generation import finish
from praxino.generation.edit_layout import joined
from praxino.generation.films import FILM_LAYOUT, GivenVideo, load_videos, recorded_layout
from praxino.generation.images import GivenImage, load_images
from praxino.generation.layout import cut
from praxino.generation.memory import Memory
from praxino.generation.pipeline import Pipeline
from praxino.generation.progress import Progress
from praxino.generation.shot_orders import Frames, MadeShot, ShotOrder
from praxino.generation.spoken import spoken
from praxino.generation.takes import (
    Take,
    TakeIdentity,
    Takes,
    short_digest,
    shot_seed,
    take_key,
    take_seed,
)
from praxino.layout import Layout
from praxino.log import logger
from praxino.provenance.policy import STANDARD, Ingredient, Provenance
from praxino.references import DIGEST, Reference, mentions, require_known
from praxino.request import Request, enlarged_shape
from praxino.requirements import require_refiner
from praxino.script import SHOT, FilmScript, Shot, frame_of_shot
from praxino.storage.media.video import Video

CONTEXT: Final = 3
"""Latent frames of the shot before that one without a cut is told of."""


class FilmMaker:
    """Makes the shots of a script.

    Parameters
    ----------
    folder : Path
        From where on the script names files.
    memory : Memory, optional
        Knows names that are not of the cast.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        script: FilmScript,
        folder: Path,
        takes: Takes,
        memory: Memory | None = None,
    ) -> None:
        self.pipeline, self.script, self.folder = pipeline, script, folder
        self.takes, self.memory = takes, memory
        defaults = pipeline.card.defaults
        self.fps = script.fps or defaults.fps
        width, height = script.size.split("x") if script.size else (defaults.width, defaults.height)
        self.height, self.width = int(height), int(width)
        self.enhance = script.enhance or defaults.enhance

    def check(self) -> list[str]:
        """Check all shots before any is made; notes, each behind the names of its shots.

        Raises
        ------
        InputError, MediaError
            For the first shot that cannot be made, which the error names.
        """
        require_refiner(self.enhance, self.pipeline.card)
        notes: dict[str, list[str]] = {}
        done: dict[str, MadeShot] = {}
        for shot in self.script.in_order():
            order = self._order(shot, done)
            for note in order.notes:
                notes.setdefault(note, []).append(shot.id)
            done[shot.id] = self._imagined(order)
        return [f"{', '.join(shots)}: {note}" for note, shots in notes.items()]

    def make(
        self, provenance: Provenance = STANDARD, only: Sequence[str] = ()
    ) -> Iterator[tuple[Shot, int, Progress]]:
        """Make the takes that are not there: after each step the shot, the number of its take, and
        how far it is.

        Parameters
        ----------
        only : sequence of str
            Names of the shots to make; others stay as they are, made or not.

        Raises
        ------
        InputError
            If a shot to make needs one that is not there.
        """
        for name in only:
            self.script.find(name)
        done: dict[str, MadeShot] = {}
        for shot in self.script.in_order():
            self._forget_runs(done)
            missing = [name for name in self.script.needs(shot) if name not in done]
            if missing and shot.id in only:
                raise InputError(
                    f"shot {shot.id} needs {missing[0]}, which has no take that is up to date",
                    f"--only {missing[0]}",
                )
            if missing:
                continue
            order = self._order(shot, done)
            take = self._current(order)
            if take is None and (not only or shot.id in only):
                yield from self._new_take(order, provenance)
                take = self._current(order)
            if take is not None:
                done[shot.id] = self._loaded(order, take)

    def missing(self) -> list[str]:
        """Names of the shots that have no take."""
        current = self.current()
        return [shot.id for shot in self.script.shots if shot.id not in current]

    def current(self) -> dict[str, int]:
        """Numbers of the takes that count, by their shots."""
        return {name: shot.take.number for name, shot in self._taken().items() if shot.take}

    def _taken(self) -> dict[str, MadeShot]:
        """All shots that have a take."""
        done: dict[str, MadeShot] = {}
        for shot in self.script.in_order():
            self._forget_runs(done)
            if any(name not in done for name in self.script.needs(shot)):
                continue
            order = self._order(shot, done)
            if (take := self._current(order)) is not None:
                done[shot.id] = self._loaded(order, take)
        return done

    def _forget_runs(self, done: dict[str, MadeShot]) -> None:
        """Keep of shots only what is their own, if what goes on from them is there."""
        for after in self.script.shots:
            before = self.script.before(after)
            if before is not None and after.id in done and before.id in done:
                done[before.id] = done[before.id].alone()

    def assembled(
        self, provenance: Provenance = STANDARD, on_step: Callable[[], None] = lambda: None
    ) -> Video:
        """The whole film, marked, and to be signed as made from its takes when it is written.

        Parameters
        ----------
        on_step : callable
            Called after each step in which a shot is enlarged; what it raises ends the work.

        Raises
        ------
        InputError
            If a shot has no take.
        """
        done = self._taken()
        for shot in self.script.shots:
            if shot.id not in done:
                raise InputError(f"shot {shot.id} has no take", "praxino film makes it")
        shots = [done[shot.id] for shot in self.script.shots]
        takes = [shot.take for shot in shots if shot.take is not None]
        frames = np.concatenate([self._enlarged(shot, on_step) for shot in shots])
        shape = FilmShape(len(frames), self.height, self.width, self.fps)
        fps = enlarged_shape(shape, self.enhance).fps
        film = Video(frames, fps, self._record(takes))
        paths = [self.takes.path(take) for take in takes]
        return provenance.sign(
            provenance.mark(film), [Ingredient(path.name, path) for path in paths]
        )

    def _enlarged(self, shot: MadeShot, on_step: Callable[[], None]) -> Frames:
        """A shot's own frames, as large and fast as the film is to be; kept beside its take."""
        assert shot.take is not None
        assert shot.order is not None
        if self.enhance == "off":
            return shot.own
        if (frames := self.takes.enlarged(shot.take, self.enhance)) is not None:
            return frames
        from praxino.generation import enhance

        logger.info("making shot %s larger", shot.order.shot.id)
        request = shot.order.request.model_copy(update={"enhance": self.enhance})
        led = 1 if len(shot.run) > shot.count else 0  # of what it goes on from
        frames = shot.run[len(shot.run) - shot.count - led :]
        large = enhance.enlarged_frames(self.pipeline, request, frames, shot.order.images, on_step)
        self.takes.keep_enlarged(shot.take, self.enhance, large[led:])
        return large[led:]

    def _record(self, takes: Sequence[Take]) -> dict[str, Any]:
        """What the film's file says of it."""
        shots = [
            {
                "id": take.shot,
                "take": take.number,
                "seed": take.seed,
                "frames": take.frames,
                "prompt": self.script.sentence(self.script.find(take.shot)),
            }
            for take in takes
        ]
        film: dict[str, Any] = {
            "title": self.script.title,
            "enhance": self.enhance,
            "shots": shots,
        }
        layouts = [one for take in takes if (one := _layout_of(take)) is not None]
        if len(layouts) == len(takes) and (whole := joined(layouts)) is not None:
            film["layout"] = whole.model_dump()
        return finish.maker(self.pipeline) | film

    def _order(self, shot: Shot, done: dict[str, MadeShot]) -> ShotOrder:
        """What a shot is made from; errors name it."""
        try:
            return self._completed(shot, done)
        except InputError as error:
            raise InputError(f"shot {shot.id}: {error}", "", error.setting) from None

    def _completed(self, shot: Shot, done: dict[str, MadeShot]) -> ShotOrder:
        script = self.script
        before_shot = script.before(shot)
        before = done[before_shot.id] if before_shot else None
        videos, edit = self._edit(shot, before_shot, before)
        references = self.references_of(shot)
        images = [*self._ends(shot, done), *self._remembered(references)]
        request, notes = self.pipeline.complete(
            script.sentence(shot),
            images,
            videos,
            negative=shot.negative or script.negative,
            seed=shot_seed(script, shot),
            steps=script.steps,
            guidance=script.guidance,
            frames=self._frames(shot, before),
            height=self.height,
            width=self.width,
            fps=self.fps,
            image=self._path(shot.image),
            last=self._path(shot.last),
            enhance="off",  # the whole is enlarged, of the takes that count
            layout=self._layout(shot),
            edit=edit,
            references=references,
        )
        inputs = tuple(load_images(request.pictures, images))
        needs = tuple(done[name] for name in script.needs(shot))
        lasting = self._without_growth(request)
        key = take_key(
            self.pipeline.card.digest, lasting, (*inputs, *videos), [one.key for one in needs]
        )
        return ShotOrder(shot, request, key, inputs, tuple(videos), before, needs, tuple(notes))

    def _without_growth(self, request: Request) -> Request:
        """The request without the pictures that the memory added by itself: a take stays what it
        is while the memory grows.
        """
        if self.memory is None:
            return request
        grown = self.memory.generated(one.name for one in request.references)
        references = tuple(
            one.model_copy(update={"pictures": tuple(p for p in one.pictures if p not in grown)})
            for one in request.references
        )
        return request.model_copy(update={"references": references})

    def _edit(
        self, shot: Shot, before_shot: Shot | None, before: MadeShot | None
    ) -> tuple[list[GivenVideo], Edit | None]:
        """The films that a shot is made from, and how."""
        if before_shot is not None and before is not None:
            name = SHOT + before_shot.id
            sentence = spoken(self.script.sentence(before_shot), self.references_of(before_shot))
            latents, places = before.latents, before.layout
            video = GivenVideo(
                name, before.run, self.fps, before.content, latents, sentence, places
            )
            return [video], Extend(video=name, context=CONTEXT)
        if shot.task is None:
            return [], None
        names = {"video": shot.task.video, "second": getattr(shot.task, "second", "")}
        names["mask"] = getattr(shot.task, "mask", "")
        paths = {field: str(self.folder / name) for field, name in names.items() if name}
        edit = shot.task.model_copy(update=paths)
        return list(load_videos(sources(edit)).values()), edit

    def _frames(self, shot: Shot, before: MadeShot | None) -> int | None:
        """Frames to make for a shot; None where its task says how many."""
        card = self.pipeline.card
        count = shot.frames
        if shot.seconds is not None:
            count = frames_of(shot.seconds, self.fps, card)
        if before is None:
            return count if count or shot.task else card.defaults.frames
        frames = count or card.defaults.frames
        return with_context(frames, len(before.run), CONTEXT, card.compression[0])

    def _ends(self, shot: Shot, done: dict[str, MadeShot]) -> list[GivenImage]:
        """Pictures that a shot begins or ends with and that other shots have made."""
        images = []
        for name in (shot.image, shot.last):
            if (place := frame_of_shot(name)) is not None:
                source, number = done[place[0]], place[1]
                if not -source.count <= number < source.count:
                    last = source.count - 1
                    problem = f"{name}: that shot has {source.count} frames"
                    raise InputError(problem, f"0 to {last}, or -1 for the last", "image")
                images.append(GivenImage(name, source.own[number], source.content))
        return images

    def _path(self, name: str) -> str | None:
        """A file's name from the script's folder on; names of shots' frames as they are."""
        if not name:
            return None
        return name if frame_of_shot(name) else str(self.folder / name)

    def references_of(self, shot: Shot) -> tuple[Reference, ...]:
        """Who is in a shot: of its own pictures, of the cast, or else of the memory."""
        names = [*mentions(self.script.sentence(shot)), *shot.cast]
        cast = [
            one.model_copy(update={"pictures": tuple(str(self.folder / p) for p in one.pictures)})
            for one in self.script.references(list(dict.fromkeys(names)))
        ]
        cast += [
            Reference(name=f"image{number}", kind=kind, pictures=(str(self.folder / file),))
            for number, (file, kind) in enumerate(shot.unnamed(), start=1)
        ]
        in_cast = {one.name.lower() for one in cast}
        if strangers := [name for name in shot.cast if name.lower() not in in_cast]:
            require_known(strangers[0], list(self.script.cast))
        if self.memory is None:
            return tuple(cast)
        return self.memory.resolve(self.script.sentence(shot), cast)

    def _remembered(self, references: Sequence[Reference]) -> list[GivenImage]:
        """Pictures of entities that the memory has."""
        if self.memory is None:
            return []
        names = [name for one in references for name in one.pictures if name.startswith(DIGEST)]
        return [image for name in names if (image := self.memory.image(name)) is not None]

    def _layout(self, shot: Shot) -> Layout | None:
        if isinstance(shot.layout, Layout):
            return shot.layout
        return layout.read(self.folder / shot.layout) if shot.layout else None

    def _current(self, order: ShotOrder) -> Take | None:
        """The take of a shot that counts; raises `InputError` if the script names one that is not
        there.
        """
        take = self.takes.current(order.shot.id, order.key, order.shot.take)
        if take is None and order.shot.take is not None:
            raise InputError(
                f"shot {order.shot.id}: take {order.shot.take} is not there, or out of date",
                "without take, the newest one is used",
                "take",
            )
        return take

    def _new_take(
        self, order: ShotOrder, provenance: Provenance
    ) -> Iterator[tuple[Shot, int, Progress]]:
        """Make a take."""
        number = self.takes.next_number(order.shot.id)
        before = sum(take.key == order.key for take in self.takes.of(order.shot.id))
        request = order.request.reseeded(take_seed(order.request.seed, before + 1))
        progress = None
        for progress in self.pipeline.run(request, None, order.images, order.videos):
            if progress.video is None:
                yield order.shot, number, progress
        if progress is None or progress.video is None:
            raise GenerationError(f"shot {order.shot.id}: no step was made")
        led = len(order.before.run) if order.before else 0
        frames = progress.video.frames[led:]
        film = Video(frames, self.fps, _own_record(progress.video.record, led))
        signed = provenance.sign(provenance.mark(film), self._ingredients(order))
        take = Take(
            shot=order.shot.id,
            number=number,
            seed=request.seed,
            key=order.key,
            frames=len(frames),
            identity=self._identity(order, frames),
            layout=recorded_layout(film.record, whole=False),
        )
        self.takes.add(take, signed, frames, progress.x0)
        yield order.shot, number, replace(progress, video=signed)

    def _identity(self, order: ShotOrder, frames: Frames) -> tuple[TakeIdentity, ...]:
        """How like their pictures the entities of a take are; none for films of other worlds than
        the reader's.
        """
        images = {image.name: image.pixels for image in order.images}
        if not self.pipeline.card.grammar or not any(o.pictures for o in order.request.references):
            return ()
        from praxino.generation import growth

        verifier, scores = growth.bundled_verifier(), []
        for one in order.request.references:
            if one.pictures and one.kind in growth.KINDS:
                likeness = verifier.likeness(frames, [images[name] for name in one.pictures])
                alike = likeness is not None and likeness >= verifier.network.config.threshold
                rounded = None if likeness is None else round(likeness, 3)
                scores.append(TakeIdentity(name=one.name, likeness=rounded, alike=alike))
        return tuple(scores)

    def _ingredients(self, order: ShotOrder) -> list[Ingredient]:
        """Files that a take is made from."""
        takes = [self.takes.path(one.take) for one in order.needs if one.take is not None]
        inputs: list[GivenImage | GivenVideo] = [*order.images, *order.videos]
        files = [one for one in inputs if one.content and not one.name.startswith(SHOT)]
        return [
            *(Ingredient(path.name, path) for path in takes),
            *(Ingredient(PurePath(one.name).name, one.content) for one in files),
        ]

    def _loaded(self, order: ShotOrder, take: Take) -> MadeShot:
        """A shot as its take shows it."""
        frames, latents = self.takes.load(take)
        run = np.concatenate([order.before.run, frames]) if order.before else frames
        content = self.takes.path(take).read_bytes()
        key = short_digest([order.key, take.number])
        latents = latents.to(self.pipeline.device)
        kept = replace(order, before=None, videos=(), needs=())
        return MadeShot(key, run, len(frames), take, latents, content, kept)

    def _imagined(self, order: ShotOrder) -> MadeShot:
        """A shot before it is made: black frames of its shape."""
        count = order.request.frames
        if order.before is not None:
            step = self.pipeline.card.compression[0]
            count -= with_context(1, len(order.before.run), CONTEXT, step)
        total = count + (len(order.before.run) if order.before else 0)
        run = np.broadcast_to(np.uint8(0), (total, self.height, self.width, 3))
        return MadeShot(order.key, run, count)


def _layout_of(take: Take) -> Layout | None:
    """Where things are in the frames of a take, behind those that it goes on from."""
    whole = take.layout
    if whole is None or whole.frames < take.frames:
        return None
    return cut(whole, whole.frames - take.frames, whole.frames)


def _own_record(record: dict[str, Any], led: int) -> dict[str, Any]:
    """A record whose layout is of the frames behind the first ``led``."""
    whole = recorded_layout(record)
    if not led or whole is None or FILM_LAYOUT not in record:
        return record
    own = cut(whole, led, whole.frames)
    return record | {FILM_LAYOUT: own.model_dump()}
