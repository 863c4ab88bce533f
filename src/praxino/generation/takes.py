"""The takes of a film's shots, in a folder: what was made, and what was said of it.

Each is a film to look at, marked and signed, and beside it a file with what the whole film is put
together from: its frames as they were before that, and its latents.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from praxino.config import Config
from praxino.errors import InputError, MediaError
from praxino.layout import Layout
from praxino.references import DIGEST
from praxino.script import SHOT, SHOT_PATTERN
from praxino.storage.files import write_text

if TYPE_CHECKING:
    from torch import Tensor

    from praxino.generation.films import GivenVideo
    from praxino.generation.images import GivenImage
    from praxino.request import Request
    from praxino.script import FilmScript, Shot
    from praxino.storage.media.video import Video

LIST: Final = "takes.json"
ENDING: Final = ".mp4"
TakeState = Literal["draft", "kept", "rejected"]


class TakeIdentity(Config):
    """How like its pictures an entity of a take is.

    Attributes
    ----------
    likeness : float, optional
        A cosine; None where nothing like it was found.
    alike : bool
        Whether that is as like as two pictures of one individual are.
    """

    name: str
    likeness: float | None
    alike: bool


class Take(Config):
    """One take of a shot.

    Attributes
    ----------
    key : str
        Digest of all that it was made from: where that changes, it is out of date.
    state : str
        "draft" until somebody has looked at it.
    identity : tuple of TakeIdentity
        Of the entities that it was given pictures of, where they can be read.
    layout : Layout, optional
        What it was told to show where.
    """

    shot: str = Field(pattern=f"^{SHOT_PATTERN}$")
    number: int = Field(ge=1)
    seed: int
    key: str
    frames: int
    state: TakeState = "draft"
    identity: tuple[TakeIdentity, ...] = Field((), strict=False)
    layout: Layout | None = None

    @property
    def name(self) -> str:
        """Name of its file, without an ending."""
        return f"{self.shot}-{self.number:03d}"


class Takes:
    """All takes of one film.

    Parameters
    ----------
    folder : Path
        Where they are; made when the first one is added.
    on_add : callable, optional
        Called with each new take when its files are there.
    on_enlarge : callable, optional
        Called with each take whose enlarged frames were kept.

    Raises
    ------
    MediaError
        If the list in the folder cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        on_add: Callable[[Take], None] = lambda _: None,
        on_enlarge: Callable[[Take], None] = lambda _: None,
    ) -> None:
        self.folder, self.on_add, self.on_enlarge = folder, on_add, on_enlarge
        self.all: list[Take] = []
        if (path := folder / LIST).exists():
            try:
                self.all = parse_takes(path.read_bytes())
            except (OSError, ValueError):
                raise MediaError(
                    f"{path} cannot be read", "delete it: the takes beside it are made again"
                ) from None

    def of(self, shot: str) -> list[Take]:
        """Takes of a shot, the first one first."""
        return [take for take in self.all if take.shot == shot]

    def current(self, shot: str, key: str, number: int | None = None) -> Take | None:
        """The take of a shot that counts: that of this number, or else the newest that was kept, or
        else the newest that was not rejected; None where none was made from ``key``, or its files
        are gone.
        """
        able = [
            take
            for take in self.of(shot)
            if take.key == key and self.path(take).exists() and self.data(take).exists()
        ]
        if number is not None:
            return next((take for take in able if take.number == number), None)
        kept = [take for take in able if take.state == "kept"]
        drafts = [take for take in able if take.state == "draft"]
        return next(reversed(kept or drafts), None)

    def next_number(self, shot: str) -> int:
        """The number of a new take."""
        return max((take.number for take in self.of(shot)), default=0) + 1

    def add(self, take: Take, film: "Video", frames: NDArray[np.uint8], latents: "Tensor") -> None:
        """Keep a new take: the marked film, its frames before that, and its latents."""
        import torch

        from praxino.storage.weights.checkpoint import write_tensors

        self.folder.mkdir(parents=True, exist_ok=True)
        film.save(self.path(take))
        tensors = {"frames": torch.from_numpy(np.ascontiguousarray(frames)), "latents": latents}
        write_tensors(self.data(take), tensors)
        self.enlargement(take).unlink(missing_ok=True)  # of an older take of this name
        self.all.append(take)
        self._write()
        self.on_add(take)

    def set_state(self, shot: str, number: int | None, state: TakeState) -> None:
        """Say what is thought of a take, the newest one where no number is given; raises
        `InputError` if there is none.
        """
        self.all = with_state(self.all, shot, number, state)
        self._write()

    def path(self, take: Take) -> Path:
        """The film to look at."""
        return self.folder / f"{take.name}{ENDING}"

    def load(self, take: Take) -> "tuple[NDArray[np.uint8], Tensor]":
        """The frames of a take, and its latents."""
        from praxino.storage.weights.checkpoint import load_tensors

        tensors = load_tensors(self.data(take))
        return tensors["frames"].numpy(), tensors["latents"].float()

    def enlarged(self, take: Take, key: str) -> NDArray[np.uint8] | None:
        """The frames of a take as they were enlarged in a way of this key, if they were."""
        from praxino.storage.weights.checkpoint import load_tensors

        path = self.enlargement(take)
        if not path.exists():
            return None
        tensors = load_tensors(path)
        return tensors[key].numpy() if key in tensors else None

    def keep_enlarged(self, take: Take, key: str, frames: NDArray[np.uint8]) -> None:
        """Keep the frames of a take as they were enlarged, in place of those of another way."""
        import torch

        from praxino.storage.weights.checkpoint import write_tensors

        write_tensors(self.enlargement(take), {key: torch.from_numpy(np.ascontiguousarray(frames))})
        self.on_enlarge(take)

    def enlargement(self, take: Take) -> Path:
        """The file of its enlarged frames."""
        return self.folder / f"{take.name}-enlarged.safetensors"

    def data(self, take: Take) -> Path:
        """What the whole film is put together from."""
        return self.folder / f"{take.name}.safetensors"

    def _write(self) -> None:
        write_text(self.folder / LIST, dump_takes(self.all))


def parse_takes(content: bytes) -> list[Take]:
    """The takes of a list; raises `ValueError` if it is none."""
    try:
        return TypeAdapter(list[Take]).validate_json(content)
    except ValidationError as error:
        raise ValueError(str(error)) from None


def dump_takes(takes: Sequence[Take]) -> str:
    """A list of takes, as JSON."""
    return json.dumps([take.model_dump() for take in takes], indent=1)


def with_state(
    takes: Sequence[Take], shot: str, number: int | None, state: TakeState
) -> list[Take]:
    """Takes, of which one has another state; see `Takes.set_state`."""
    of_shot = [one for one in takes if one.shot == shot]
    take = next((one for one in reversed(of_shot) if number in (None, one.number)), None)
    if take is None:
        there = ", ".join(str(one.number) for one in of_shot) or "none"
        which = f" {number}" if number is not None else ""
        raise InputError(f"shot {shot} has no take{which}", f"there are: {there}", "take")
    changed = take.model_copy(update={"state": state})
    return [changed if one is take else one for one in takes]


def shot_seed(script: "FilmScript", shot: "Shot") -> int:
    """The seed of a shot's first take."""
    if shot.seed is not None:
        return shot.seed
    return int(short_digest([script.seed, shot.id])[:8], 16)


def take_seed(seed: int, number: int) -> int:
    """The seed of a take, of its shot's; ``number`` counts those that were made from the same."""
    return seed if number == 1 else int(short_digest([seed, number])[:8], 16)


def take_key(
    model: str,
    request: "Request",
    inputs: "Sequence[GivenImage | GivenVideo]",
    needs: Sequence[str],
) -> str:
    """A digest of all that a take is made from but its own seed; files count by their content."""
    names = {
        one.name: DIGEST + hashlib.sha256(one.content).hexdigest()
        for one in inputs
        if not one.name.startswith(SHOT)  # ``needs`` has them
    }

    def by_content(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: by_content(part) for name, part in value.items()}
        if isinstance(value, list):
            return [by_content(part) for part in value]
        return names.get(value, value) if isinstance(value, str) else value

    return short_digest([model, by_content(request.model_dump(mode="json")), list(needs)])


def short_digest(values: Sequence[object]) -> str:
    """Sixteen digits that name plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
