"""The diorama: a procedural world, a pure function of ``(seed, index)``, with captions and ground
truth.

`world` holds kinds, colours, places and gravity, `split` what training never sees. `compose` draws
a `scene` with `casting`, `families`, `relations` and `physics`; `caption` puts it into words of
`phrases`, and `expand` completes short sentences; `render` draws it on a `canvas` with `places`,
`sprites` and `letters`. `masks`, `layouts` and `references` come from the same drawing, `faults`
spoil it.
"""

from praxino.data.diorama.caption import caption
from praxino.data.diorama.compose import Edition, compose
from praxino.data.diorama.phrases import vocabulary
from praxino.data.diorama.references import references
from praxino.data.diorama.render import render
from praxino.data.diorama.scene import Camera, Captions, Light, Sample, Scene, Thing
from praxino.data.diorama.split import Split

__all__ = [
    "Camera",
    "Captions",
    "Edition",
    "Light",
    "Sample",
    "Scene",
    "Split",
    "Thing",
    "caption",
    "compose",
    "references",
    "render",
    "sample",
    "vocabulary",
]


def sample(
    seed: int,
    index: int,
    frames: int = 17,
    height: int = 64,
    width: int = 64,
    fps: float = 8.0,
    part: Split = "train",
    edition: Edition = 1,
) -> Sample:
    """Render sample ``index`` of the world ``seed``: clip, captions and ground truth.

    A pure function: equal arguments give equal bytes, in any order and in any process.

    Parameters
    ----------
    seed, index : int
        Non-negative; together they name one scene. The scene does not depend on the size.
    frames, height, width : int
        Any positive values; the clip is ``(frames, height, width, 3)``, uint8 RGB. One frame is a
        picture.
    fps : float
        Frames per second of the world's clock, > 0.
    part : str
        "train", or "held-out" and "rare" combinations that never occur there, or "all"; see
        `split`.
    edition : int
        1 or 2, see `compose`.
    """
    scene = compose(seed, index, frames, width / height, fps, part, edition)
    return Sample(render(scene, height, width), caption(scene, seed, index), scene)
