"""The reader: a small video network that says what is in a clip of the diorama, where, and what it
does.

Per frame, a map of where each kind of thing has its centre (CenterNet: Zhou et al., arXiv
1904.07850), and at each centre its exact place, height, colour, motion and heading; for the clip,
where and when it plays and what the camera does. Centres of neighbouring frames are linked into
tracks. Its pooled features are what offline distances between sets of clips are measured in.

Legend: B batch, T frames, H height, W width, h w a quarter of those, D width of the features, K
kinds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from praxino.config import Config
from praxino.errors import ShapeError

STRIDE = 4
"""Pixels a side of one position of the maps."""
LETTERS = 27
"""a to z, and nothing."""


class ReaderConfig(Config):
    """What a `Reader` can tell apart, and its sizes."""

    kinds: tuple[str, ...] = Field(strict=False)
    colours: tuple[str, ...] = Field(strict=False)
    motions: tuple[str, ...] = Field(strict=False)
    scene: dict[str, tuple[str, ...]] = Field(
        strict=False, description="attributes of the whole clip, and their values"
    )
    letters: int = Field(
        0, ge=0, description="longest word that it reads on a thing; 0: it reads none"
    )
    width: int = Field(
        64, gt=0, description="channels at a quarter of the size; twice that at an eighth"
    )
    fine: int = Field(3, gt=0, description="blocks at a quarter of the size, before and after")
    coarse: int = Field(6, gt=0, description="blocks at an eighth")


@dataclass(frozen=True)
class Fields:
    """Logits and numbers at every position: (B, ., T, h, w), and logits of the scene's attributes:
    (B, values).
    """

    heat: Tensor
    """(B, K, T, h, w): a thing of this kind has its centre here."""
    offset: Tensor
    """(B, 2, T, h, w): x and y of the centre within its position, 0 to 1."""
    height: Tensor
    """(B, 1, T, h, w): logarithm of the thing's height in pictures' heights."""
    colour: Tensor
    motion: Tensor
    heading: Tensor
    """(B, 1, T, h, w): to the right where positive."""
    scene: dict[str, Tensor]
    letters: Tensor | None = None
    """(B, letters x 27, T, h, w): a to z or nothing, for each place of the word that the thing here
    carries.
    """

    def cpu(self) -> "Fields":
        parts: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        scene = {name: logits.cpu() for name, logits in parts.pop("scene").items()}
        moved: dict[str, Any] = {
            name: part if part is None else part.cpu() for name, part in parts.items()
        }
        return Fields(scene=scene, **moved)


@dataclass(frozen=True, eq=False)
class Sighting:
    """One thing as read from a clip."""

    kind: str
    colour: str
    motion: str
    heading: int
    track: NDArray[np.float32]
    """(T, 2): the centre in pictures' heights, x and y from the top-left corner; NaN where it is
    not seen.
    """
    height: float
    """In pictures' heights, the median over the frames."""
    confidence: float
    """Mean of the map's probability along the track, 0 to 1."""
    word: str = ""
    """What it carries in letters, where the reader reads words."""


@dataclass(frozen=True)
class Reading:
    """A clip as read: its things, surest first, and the scene's attributes ("place", "time",
    ...).
    """

    things: tuple[Sighting, ...]
    scene: dict[str, str]
    words: bool = False
    """Whether the reader reads words."""


class Block(nn.Module):
    """A residual pair of convolutions, first over space, then over time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.space = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1))
        self.time = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, x: Tensor) -> Tensor:  # (B, D, T, h, w)
        y = F.gelu(self.space(F.gelu(self.norm(x))))
        return x + self.time(y)


class Reader(nn.Module):
    """Clips in [-1, 1] to `Fields`, `Reading`, or features."""

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Conv3d(3 * STRIDE**2, width, (3, 3, 3), padding=1)
        self.before = nn.Sequential(*(Block(width) for _ in range(config.fine)))
        self.down = nn.Conv3d(width, 2 * width, (1, 2, 2), stride=(1, 2, 2))
        self.coarse = nn.Sequential(*(Block(2 * width) for _ in range(config.coarse)))
        self.up = nn.Conv3d(2 * width, width, 1)
        self.after = nn.Sequential(*(Block(width) for _ in range(config.fine)))
        self.norm = nn.GroupNorm(8, width)
        parts = {"heat": len(config.kinds), "offset": 2, "height": 1, "colour": len(config.colours)}
        parts |= {"motion": len(config.motions), "heading": 1}
        if config.letters:
            parts["letters"] = config.letters * LETTERS
        self.heads = nn.ModuleDict(
            {name: nn.Conv3d(width, count, 1) for name, count in parts.items()}
        )
        nn.init.constant_(self.heads["heat"].bias, -4.0)  # type: ignore[arg-type]  # nearly everywhere is nothing
        self.pooled = nn.LayerNorm(4 * width)
        self.scene = nn.ModuleDict(
            {name: nn.Linear(4 * width, len(v)) for name, v in config.scene.items()}
        )

    def _coarse(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        if clip.shape[3] % (2 * STRIDE) or clip.shape[4] % (2 * STRIDE):
            height, width = clip.shape[3:]
            raise ShapeError(
                f"{width}x{height}: must be multiples of {2 * STRIDE}", "resize to 64x64"
            )
        x = F.pixel_unshuffle(clip.transpose(1, 2), STRIDE).transpose(1, 2)  # (B, 48, T, h, w)
        fine = self.before(self.stem(x))  # (B, D, T, h, w)
        return fine, self.coarse(self.down(fine))  # (B, 2D, T, h/2, w/2)

    def _pool(self, coarse: Tensor) -> Tensor:
        """(B, 4D): mean over the clip, and the spread over time of the frames' means."""
        frames = coarse.float().mean(dim=(3, 4))  # (B, 2D, T)
        spread = frames.var(dim=2, unbiased=False).add(1e-6).sqrt()
        return self.pooled(torch.cat([frames.mean(dim=2), spread], dim=1))

    def features(
        self, clip: Float[Tensor, "batch 3 frames height width"]
    ) -> Float[Tensor, "batch features"]:
        """(B, 4D): what distances between sets of clips are measured in."""
        return self._pool(self._coarse(clip)[1])

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> Fields:
        fine, coarse = self._coarse(clip)
        pooled = self._pool(coarse)  # (B, 4D)
        # (B, D, T, h, w)
        wide = F.interpolate(self.up(coarse), scale_factor=(1.0, 2.0, 2.0), mode="nearest")
        x = F.gelu(self.norm(self.after(fine + wide)))
        maps: dict[str, Any] = {name: head(x).float() for name, head in self.heads.items()}
        return Fields(scene={name: head(pooled) for name, head in self.scene.items()}, **maps)

    @torch.inference_mode()
    def read(
        self,
        clip: Float[Tensor, "batch 3 frames height width"],
        threshold: float = 0.3,
        most: int = 6,
    ) -> list[Reading]:
        """Say what is in each clip.

        Parameters
        ----------
        clip : Tensor
            In [-1, 1]; height and width multiples of 8.
        threshold : float
            Least probability of a centre, 0 to 1.
        most : int
            Things at most in a frame.

        Raises
        ------
        ShapeError
            For other sizes.
        """
        output = self(clip).cpu()
        words = output.letters is not None
        return [
            Reading(tuple(self._things(output, b, threshold, most)), self._scene(output, b), words)
            for b in range(len(clip))
        ]

    def _scene(self, fields: Fields, b: int) -> dict[str, str]:
        return {
            name: self.config.scene[name][int(logits[b].argmax())]
            for name, logits in fields.scene.items()
        }

    def _things(self, fields: Fields, b: int, threshold: float, most: int) -> Iterator[Sighting]:
        tracks = _linked(
            [_peaks(fields.heat[b, :, t], threshold, most) for t in range(fields.heat.shape[2])]
        )
        frames = fields.heat.shape[2]
        things = []
        for track in tracks:
            at = tuple(
                torch.tensor(index)
                for index in zip(*((p.frame, p.row, p.column) for p in track), strict=True)
            )
            pick = lambda name: getattr(fields, name)[b][(slice(None), *at)]  # noqa: B023, E731  (., P)
            centre = np.full((frames, 2), np.nan, np.float32)
            corner = torch.stack([at[2], at[1]])  # (2, P)
            where = (corner + pick("offset").clamp(0, 1)) / fields.heat.shape[3]
            centre[at[0].numpy()] = where.T.numpy()
            things.append(
                Sighting(
                    kind=self.config.kinds[int(pick("heat").sigmoid().sum(1).argmax())],
                    colour=self.config.colours[int(pick("colour").softmax(0).sum(1).argmax())],
                    motion=self.config.motions[int(pick("motion").softmax(0).sum(1).argmax())],
                    heading=1 if float(pick("heading").mean()) > 0 else -1,
                    track=centre,
                    height=float(pick("height").median().exp()),
                    confidence=float(np.mean([p.score for p in track])),
                    word="" if fields.letters is None else _word(pick("letters")),
                )
            )
        yield from sorted(
            things, key=lambda thing: -thing.confidence * np.isfinite(thing.track[:, 0]).sum()
        )


def letter_numbers(word: str | None, letters: int) -> list[int]:
    """A word as ``letters`` numbers, 26 where it has none."""
    numbers = [ord(letter) - ord("a") for letter in (word or "")[:letters]]
    return numbers + [LETTERS - 1] * (letters - len(numbers))


def _word(logits: Tensor) -> str:
    """The word of a thing from the logits (letters x 27, P) at its centres."""
    numbers = logits.unflatten(0, (-1, LETTERS)).log_softmax(1).sum(2).argmax(1).tolist()
    return "".join(chr(ord("a") + number) for number in numbers if number < LETTERS - 1)


@dataclass(frozen=True)
class _Peak:
    frame: int
    row: int
    column: int
    kind: int
    score: float


def _peaks(heat: Tensor, threshold: float, most: int) -> list[_Peak]:
    """Local maxima of one frame's map (K, h, w), at most one kind at a position."""
    best, kind = heat.sigmoid().max(dim=0)
    local = F.max_pool2d(best[None, None], 3, 1, 1)[0, 0]
    rows, columns = torch.nonzero((best == local) & (best > threshold), as_tuple=True)
    peaks = [
        _Peak(0, int(r), int(c), int(kind[r, c]), float(best[r, c]))
        for r, c in zip(rows, columns, strict=True)
    ]
    return sorted(peaks, key=lambda peak: -peak.score)[:most]


MAX_JUMP_POSITIONS = 4.0
"""Positions that a centre may jump between neighbouring frames."""
MAX_HIDDEN_FRAMES = 8
"""Frames that a thing may be hidden."""


def _linked(frames: list[list[_Peak]]) -> list[list[_Peak]]:
    """Tracks of peaks: each peak goes to the nearest track of its kind that still waits; short ones
    are dropped.
    """
    tracks: list[list[_Peak]] = []
    for frame, peaks in enumerate(frames):
        free = [track for track in tracks if frame - track[-1].frame <= MAX_HIDDEN_FRAMES]
        for peak in peaks:
            near = [
                track
                for track in free
                if track[-1].kind == peak.kind and _gap(track, peak, frame) <= MAX_JUMP_POSITIONS
            ]
            now = _Peak(frame, peak.row, peak.column, peak.kind, peak.score)
            if not near:
                tracks.append([now])
                continue
            best = min(near, key=lambda track: _gap(track, peak, frame))
            best.append(now)
            free = [track for track in free if track is not best]
    return [track for track in tracks if len(track) >= min(3, len(frames))]


def _gap(track: list[_Peak], peak: _Peak, frame: int) -> float:
    """Positions between a peak and where the track would be by now; longer absences are allowed
    more.
    """
    last = track[-1]
    wait = frame - last.frame
    row, column = float(last.row), float(last.column)
    if len(track) > 1 and (step := last.frame - track[-2].frame):
        row += (last.row - track[-2].row) / step * wait
        column += (last.column - track[-2].column) / step * wait
    return float(np.hypot(peak.row - row, peak.column - column)) / wait**0.5
