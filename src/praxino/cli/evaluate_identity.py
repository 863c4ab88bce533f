"""The suites of ``praxino evaluate`` whose films are compared with pictures of individuals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from praxino.edits import Extend
from praxino.errors import InputError
from praxino.evaluation import identity, identity_gap, identity_pairs
from praxino.evaluation.identity import Film, IdentityJudge
from praxino.evaluation.readers import READER, read_identity, read_reader
from praxino.generation import loading
from praxino.generation.films import GivenVideo
from praxino.generation.images import GivenImage
from praxino.generation.pipeline import Pipeline
from praxino.references import Reference

FILM: Final = "film"
"""Name of the film that goes on."""


@dataclass(frozen=True)
class IdentitySuite:
    """One suite: the scores of each case as they come, what they are together, and as text."""

    rows: Iterator[Any]
    summary: Callable[[Sequence[Any]], dict[str, Any]]
    table: Callable[[dict[str, Any]], str]


class FilmsOfPictures:
    """Makes the films of a suite, with pictures of whom the sentences name."""

    def __init__(self, name: str, device: str) -> None:
        self.pipeline: Pipeline = loading.load(name, device)
        self.takes_pictures = self.pipeline.card.slots > 0 or self.pipeline.card.reference_frames
        self.vae = self.pipeline.model.vae.load(torch.float32)

    def case_shape(self) -> tuple[int, float, float]:
        """Frames, width over height, and frames a second of the model's films."""
        config = self.pipeline.model.config
        return config.frames, config.width / config.height, config.fps

    def film(
        self,
        sentence: str,
        seed: int,
        pictures: Mapping[str, Film],
        before: GivenVideo | None = None,
    ) -> tuple[Film, torch.Tensor]:
        """A film, perhaps one that goes on from another, and its latents."""
        images, references = [], []
        for name, own in pictures.items():
            files = [f"{name}-{number}.png" for number in range(len(own))]
            images += [GivenImage(file, one) for file, one in zip(files, own, strict=True)]
            references.append(Reference(name=name, kind="animal", pictures=tuple(files)))
        videos = [before] if before else []
        request, _ = self.pipeline.complete(
            sentence,
            images,
            videos,
            seed=seed,
            references=tuple(references) or None,
            edit=Extend(video=FILM) if before else None,
        )
        *_, last = self.pipeline.run(request, None, images, videos)
        assert last.video is not None
        return last.video.frames, last.x0

    def one(self, sentence: str, seed: int, pictures: Film | None) -> Film:
        """An `identity.Maker`."""
        return self.film(sentence, seed, {} if pictures is None else {"star": pictures})[0]

    def long(self, sentence: str, seed: int, pictures: Film, windows: int) -> list[Film]:
        """An `identity_gap.LongMaker`."""
        star = {"star": pictures}
        whole, latents = self.film(sentence, seed, star)
        parts = [whole]
        for _ in range(windows - 1):
            before = GivenVideo(FILM, whole, self.pipeline.model.config.fps, latents=latents)
            longer, latents = self.film(sentence, seed, star, before)
            parts.append(longer[len(whole) :])
            whole = longer
        return parts


def _identity(name: str, samples: int, reader: Path | None, device: str) -> IdentitySuite:
    films = FilmsOfPictures(name, device)
    cases = identity.identity_cases(samples, *films.case_shape())
    rows = identity.judge(_judge(reader), films.vae, films.one, cases, films.takes_pictures)
    return IdentitySuite(rows, identity.identity_summary, identity.identity_table)


def _pairs(name: str, samples: int, reader: Path | None, device: str) -> IdentitySuite:
    films = _films_of_slots(name, device)
    cases = identity_pairs.pair_cases(samples, *films.case_shape())
    make = lambda sentence, seed, pictures: films.film(sentence, seed, pictures)[0]  # noqa: E731
    rows = identity_pairs.judge_pairs(_judge(reader), films.vae, make, cases)
    return IdentitySuite(rows, identity_pairs.pair_summary, identity_pairs.pair_table)


def _gap(name: str, samples: int, reader: Path | None, device: str) -> IdentitySuite:
    films = _films_of_slots(name, device)
    cases = identity.identity_cases(samples, *films.case_shape())
    rows = identity_gap.judge_gap(_judge(reader), films.long, cases)
    return IdentitySuite(rows, identity_gap.gap_summary, identity_gap.gap_table)


SUITES: Final[dict[str, Callable[[str, int, Path | None, str], IdentitySuite]]] = {
    "identity": _identity,
    "identity-pairs": _pairs,
    "identity-gap": _gap,
}
"""By name, from a model, a number of cases, the folder of a reader and a device."""


def _judge(reader: Path | None) -> IdentityJudge:
    return IdentityJudge(read_reader(reader or READER), read_identity())


def _films_of_slots(name: str, device: str) -> FilmsOfPictures:
    films = FilmsOfPictures(name, device)
    if not films.takes_pictures:
        raise InputError(f"{name} is given no pictures of entities", "the suite identity")
    return films
