"""Films with labels: which things they show, where, and which pixels are theirs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama import Edition, Split, caption, compose, render
from praxino.data.diorama.layouts import depths
from praxino.data.diorama.masks import Masks, box_of, masks
from praxino.data.diorama.scene import Scene
from praxino.data.diorama.world import KINDS
from praxino.errors import MediaError
from praxino.layout import Layout
from praxino.storage.media.video import Video

CATEGORIES: tuple[str, ...] = tuple(KINDS)
"""Kinds of things, in the order of their numbers."""


@dataclass(frozen=True, eq=False)
class Track:
    """One thing of a film.

    Attributes
    ----------
    depth : int
        0 for the nearest; farther things have larger numbers.
    boxes : (T, 4)
        Left, top, width and height in pixels of what of it lies in the picture, as if nothing stood
        before it; zeros where nothing does.
    visibility : (T,)
        Part of that which nothing hides.
    """

    kind: str
    colour: str
    motion: str
    depth: int
    boxes: NDArray[np.float64]
    visibility: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelledFilm:
    """A film and its labels.

    Attributes
    ----------
    name : str
    frames : (T, H, W, 3) uint8
    tracks : tuple of Track
        In the order of the masks.
    masks : Masks, optional
        None where a model painted the film: then its boxes are those that it was told, which is
        what it was to paint, and not what it did.
    scene : Scene, optional
        The truth, where there is one.
    source : str
        The file that it was read from.
    """

    name: str
    frames: NDArray[np.uint8]
    fps: float
    caption: str
    tracks: tuple[Track, ...]
    masks: Masks | None = None
    scene: Scene | None = None
    source: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.frames.shape[1], self.frames.shape[2]

    def visible_box(self, track: int, frame: int) -> tuple[float, float, float, float] | None:
        """Left, top, width and height, in pixels, of what is visible of a thing, or by its track
        where there are no masks; None where nothing is.
        """
        if self.masks is not None:
            return box_of(self.masks.visible[track, frame])
        left, top, width, height = self.tracks[track].boxes[frame].tolist()
        return (left, top, width, height) if width else None


@dataclass(frozen=True)
class Source:
    """Which films of the world: a pure function of their numbers."""

    seed: int = 0
    frames: int = 17
    height: int = 128
    width: int = 128
    fps: float = 8.0
    part: Split = "train"
    edition: Edition = 2

    def film(self, number: int) -> LabelledFilm:
        """Film ``number``, drawn with its labels."""
        scene = compose(
            self.seed, number, self.frames, self.width / self.height, self.fps, self.part,
            self.edition,
        )  # fmt: skip
        name = f"diorama-{number:06d}"
        words = caption(scene, self.seed, number).sentence
        return label(scene, self.height, self.width, name, words)


def label(scene: Scene, height: int, width: int, name: str, words: str) -> LabelledFilm:
    """A scene, drawn with its labels."""
    covers = masks(scene, height, width)
    tracks = tuple(
        Track(
            thing.kind,
            thing.colour,
            thing.motion,
            depth,
            np.array([box_of(mask) or (0, 0, 0, 0) for mask in whole], np.float64),
            visibility,
        )
        for thing, depth, whole, visibility in zip(
            scene.things, depths(list(scene.things)), covers.whole, covers.visibility, strict=True
        )
    )
    frames = render(scene, height, width)
    return LabelledFilm(name, frames, scene.fps, words, tracks, covers, scene)


def weakly_labelled(
    video: Video, layout: Layout, name: str, words: str, source: str = ""
) -> LabelledFilm:
    """A film that a model painted, labelled by the layout that it was told: weak labels.

    Raises
    ------
    MediaError
        If the layout is of another length, or of things that have no number here.
    """
    count, height, width = video.frames.shape[:3]
    if layout.frames != count:
        raise MediaError(
            f"{source or name}: its layout is of {layout.frames} frames, the film has {count}",
            "films that were not enlarged in time",
        )
    for thing in layout.things:
        if thing.kind not in CATEGORIES:
            raise MediaError(
                f"{source or name}: no category for {thing.kind!r}", "see docs/labels.md"
            )
    tracks = []
    for thing in layout.things:
        centre = np.array(thing.boxes, np.float64) * height
        low = np.maximum(centre[:, :2] - centre[:, 2:] / 2, 0)
        high = np.minimum(centre[:, :2] + centre[:, 2:] / 2, (width, height))
        inside = (high > low).all(1, keepdims=True)
        boxes = np.concatenate([low, high - low], axis=1) * inside
        tracks.append(
            Track(
                thing.kind, thing.colour, thing.motion, thing.depth, boxes,
                inside[:, 0].astype(np.float64),
            )
        )  # fmt: skip
    return LabelledFilm(name, video.frames, video.fps, words, tuple(tracks), source=source)
