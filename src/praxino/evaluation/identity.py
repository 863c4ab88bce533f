"""Whether films show the individuals of their pictures: held-out ones, among twenty that are like
them.

A film is read by the reader; the thing of the right kind is cut out and compared with pictures of
twenty individuals, ten of its kind and colour. The same is done with the true film, and with that
through the model's autoencoder, which says what can be expected at best; with a film of the bare
sentence, and of one that describes the individual in words, which say what pictures are worth; of
pictures alone, and of pictures and words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.data.diorama import Scene, Thing, caption, compose, render, world
from praxino.data.diorama.casting import MARKED_KINDS
from praxino.data.diorama.families import is_individual_held_out
from praxino.data.diorama.phrases import RESTING, VERBS
from praxino.data.diorama.references import own_individual, varied_pictures
from praxino.data.pixels import to_pixels, to_tensor
from praxino.models.identity import IdentityNet, crops_of
from praxino.models.reader import Reader, Sighting
from praxino.models.vae import VAE
from praxino.rng import Stream, generator

Film = NDArray[np.uint8]
SEED: Final = 9777
"""Seed of the scenes, which no training uses."""
RIVALS: Final = 20
"""Individuals that one is told from, itself among them; half are of its kind and colour."""
PICTURES: Final = 4
STILL_FRAMES: Final = 4
"""Frames for which a picture is held, to be read."""
NAME: Final = "zza"
"""A word for the individual that no caption uses."""
Maker = Callable[[str, int, Film | None], Film]
"""A sentence, in which ``@star`` is the individual, a seed, and its pictures become a film."""


@dataclass(frozen=True, eq=False)
class IdentityCase:
    """A scene of one individual that training never showed."""

    scene: Scene
    thing: Thing
    pictures: Film
    others: Film
    """More pictures of it, which the model is not given."""
    gallery: tuple[Film, ...]
    """Pictures of each rival, its own first."""

    def sentence(self, words: str) -> str:
        """The scene in words, with these for the individual."""
        named = replace(self.scene, things=(replace(self.thing, name=NAME),))
        for index in range(100):
            text = caption(named, SEED, index).sentence
            plain = text.replace(f"{NAME} the ", f"{NAME} ")
            noun = plain.split(NAME, 1)[1].split()[0]
            if f"{NAME} the {noun}" in text:
                return text.replace(f"{NAME} the {noun}", words.format(noun=noun), 1)
        raise AssertionError("no caption names it so")

    @property
    def described(self) -> str:
        """The individual in words, as far as words go."""
        bare = replace(self.scene, things=(self.thing,))
        text = caption(bare, SEED, 0).paragraph
        return _subject(text)


def identity_cases(
    count: int, frames: int, aspect: float, fps: float, size: int = 64, seed: int = SEED
) -> list[IdentityCase]:
    """The first so many cases, each a pure function of its place."""
    drawn: list[IdentityCase] = []
    index = 0
    while len(drawn) < count:
        scene = compose(seed, index, frames, aspect, fps)
        index += 1
        things = [thing for thing in scene.things if thing.kind in MARKED_KINDS]
        if len(scene.things) != 1 or not things or scene.relation is not None:
            continue
        rng = generator(Stream.IDENTITY_POOL, seed, index)
        kind, colour = things[0].kind, things[0].colour
        marking = own_individual(held_out_individual(rng), kind, colour).marking
        thing = replace(things[0], marking=marking)
        gallery = [varied_pictures(thing, rng, PICTURES, size)]
        for number in range(1, RIVALS):
            alike = number < RIVALS // 2
            other = own_individual(
                held_out_individual(rng),
                kind if alike else str(rng.choice(list(MARKED_KINDS))),
                colour if alike else str(rng.choice(list(world.COLOURS))),
            )
            gallery.append(varied_pictures(other, rng, PICTURES, size))
        others = varied_pictures(thing, rng, PICTURES, size)
        drawn.append(
            IdentityCase(replace(scene, things=(thing,)), thing, gallery[0], others, tuple(gallery))
        )
    return drawn


@dataclass(frozen=True)
class IdentityJudge:
    """Scores films of cases."""

    reader: Reader
    network: IdentityNet

    def scores(self, film: Film, case: IdentityCase) -> dict[str, float]:
        """What a film shows of its individual.

        ``gate``: a thing of its kind is read. ``top1``: of the twenty it is most like the right
        one (0 without the gate). ``cosine``: how like. ``copied``: how much nearer it is, pixel by
        pixel, to the pictures that were given than to others of the same individual.
        """
        thing = self._sighting(film, case.thing.kind)
        if thing is None:
            return {"gate": 0.0, "top1": 0.0}
        crops = crops_of(film, thing, self.network.config.side)
        likeness = self._cosines(crops, case.gallery)
        copied, others = (
            self._nearest(crops, one, case.thing.kind) for one in (case.pictures, case.others)
        )
        return {
            "gate": 1.0,
            "top1": float(np.argmax(likeness) == 0),
            "cosine": likeness[0],
            "copied": copied - others,
        }

    def likeness(
        self, film: Film, galleries: Mapping[str, Sequence[Film]]
    ) -> dict[str, list[float]]:
        """How like the pictures of each of a gallery a film's thing of that gallery's kind is:
        cosines, by kind; of things alone that are read.
        """
        things, side = self._things(film), self.network.config.side
        return {
            kind: self._cosines(crops_of(film, things[kind], side), gallery)
            for kind, gallery in galleries.items()
            if kind in things
        }

    def _cosines(self, crops: Film, gallery: Sequence[Film]) -> list[float]:
        vector = self._embedded(crops)
        return [float(vector @ self._of_pictures(one)) for one in gallery]

    def _things(self, film: Film) -> dict[str, Sighting]:
        """The first thing of each kind that is read."""
        things = self.reader.read(to_tensor(film[None]))[0].things
        return {thing.kind: thing for thing in reversed(things)}

    def _sighting(self, film: Film, kind: str) -> Sighting | None:
        return self._things(film).get(kind)

    def _embedded(self, crops: Film) -> Tensor:
        return self.network.together(to_tensor(crops[:, None])[:, :, 0])

    def _of_pictures(self, pictures: Film) -> Tensor:
        """The embedding of pictures that show one thing, most of it in their middle."""
        side = self.network.config.side
        return self._embedded(np.stack([_resized(picture, side) for picture in pictures]))

    def _nearest(self, crops: Film, pictures: Film, kind: str) -> float:
        """The best correlation of a crop with what a picture shows of that kind."""
        flat = lambda films: _standard(films.reshape(len(films), -1).astype(np.float64))  # noqa: E731
        side, cut = crops.shape[1], []
        for picture in pictures:
            film = np.repeat(picture[None], STILL_FRAMES, axis=0)
            thing = self._sighting(film, kind)
            cut.append(crops_of(film, thing, side, 1) if thing else _resized(picture, side)[None])
        return float((flat(crops) @ flat(np.concatenate(cut)).T).max())


def judge(
    judge_: IdentityJudge,
    vae: VAE,
    make: Maker,
    cases_: Sequence[IdentityCase],
    takes_pictures: bool,
) -> Iterator[dict[str, dict[str, float]]]:
    """The scores of each case by source.

    Parameters
    ----------
    takes_pictures : bool
        Whether the model is given pictures; else it makes no films of them.
    """
    for number, case in enumerate(cases_):
        truth = _true_film(case)
        films = {
            "truth": truth,
            "autoencoder": through(vae, truth),
            "bare": make(case.sentence("a {noun}"), number, None),
            "described": make(case.sentence(case.described), number, None),
        }
        if takes_pictures:
            films["pictures"] = make(case.sentence("@star the {noun}"), number, case.pictures)
            both = case.sentence(f"@star {case.described}")
            films["both"] = make(both, number, case.pictures)
        yield {source: judge_.scores(film, case) for source, film in films.items()}


def true_cosines(judge_: IdentityJudge, vae: VAE, count: int = 200) -> list[float]:
    """How like their pictures individuals are in true films through an autoencoder; of scenes of
    another seed than the cases, where the thing is read.
    """
    cosines = []
    for case in identity_cases(count, 17, 1.0, 8.0, seed=SEED + 1):
        scores = judge_.scores(through(vae, _true_film(case)), case)
        if scores["gate"]:
            cosines.append(scores["cosine"])
    return cosines


def _true_film(case: IdentityCase) -> Film:
    """(T, H, W, 3): the scene of a case as it was drawn, at the size of its pictures."""
    return render(case.scene, *case.pictures.shape[1:3])


def through(vae: VAE, film: Film) -> Film:
    """A film, encoded and decoded."""
    with torch.inference_mode():
        return to_pixels(vae.decode(vae.encode(to_tensor(film[None]))))[0]


def identity_summary(rows: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """By source: means of all scores, and how sure the share of right ones is (standard error)."""
    result: dict[str, dict[str, Any]] = {}
    for source in rows[0]:
        own = [row[source] for row in rows]
        names = ("gate", "top1", "cosine", "copied")
        means = {
            name: float(np.mean([one[name] for one in own if name in one] or [np.nan]))
            for name in names
        }
        error = float(np.std([one["top1"] for one in own]) / np.sqrt(len(own)))
        result[source] = means | {"top1_error": error, "cases": len(own)}
    return result


def identity_table(scores: dict[str, dict[str, Any]]) -> str:
    """The summary as text."""
    lines = [f"{'':12} {'found':>7} {'top 1':>7} {'+-':>5} {'cosine':>7} {'copied':>7}"]
    lines.append(f"{'chance':12} {'':>7} {1 / RIVALS:7.2f}")
    for source, one in scores.items():
        lines.append(
            f"{source:12} {one['gate']:7.2f} {one['top1']:7.2f} {one['top1_error']:5.2f} "
            f"{one['cosine']:7.2f} {one['copied']:7.2f}"
        )
    return "\n".join(lines)


def held_out_individual(rng: np.random.Generator) -> int:
    """The seed of an individual that training never shows."""
    while True:
        seed = int(rng.integers(2**31))
        if is_individual_held_out(seed):
            return seed


def _subject(paragraph: str) -> str:
    """The beginning of a paragraph up to its verb: "a brown dog with white spots"."""
    words = paragraph[0].lower() + paragraph[1:]
    pairs = [pair for table in (VERBS, RESTING) for forms in table.values() for pair in forms]
    verbs = {form.split()[0] for pair in pairs for form in pair}
    subject: list[str] = []
    for word in words.split():
        if word.strip(".,") in verbs and len(subject) > 1:
            break
        subject.append(word)
    return " ".join(subject)


def _resized(picture: Film, side: int) -> Film:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA))


def _standard(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of mean 0 and length 1."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
