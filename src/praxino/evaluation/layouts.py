"""How well a layout shows what a scene says: the measures of films that need no pixels, held
against the scene.

A layout is read as if it were a film in which every thing is seen exactly: what is wrong is the
layout's fault alone.
"""

import numpy as np

from praxino.data.diorama.scene import Scene
from praxino.evaluation.diorama import (
    count_score,
    matched,
    named_scores,
    relation_score,
    wanted_things,
)
from praxino.layout import Layout, LayoutThing
from praxino.models.reader import Sighting


def as_sighting(thing: LayoutThing, aspect: float) -> Sighting:
    """A thing of a layout as a reader would see it: nowhere in frames in which its centre is
    outside the picture.
    """
    track = np.array([box[:2] for box in thing.boxes], np.float32)
    inside = (track[:, 0] >= 0) & (track[:, 0] < aspect) & (track[:, 1] >= 0) & (track[:, 1] < 1)
    track[~inside] = np.nan
    height = float(np.median([box.height for box in thing.boxes]))
    return Sighting(thing.kind, thing.colour, thing.motion, thing.heading, track, height, 1.0)


def layout_scores(layout: Layout, scene: Scene) -> dict[str, float]:
    """``kind``, ``colour``, ``motion``, ``count``, ``presence``, and where the scene gives an
    occasion ``binding`` and ``relation``: shares of what is right, from 0 to 1, as in
    `evaluation.diorama.scores`.
    """
    required = wanted_things(scene)
    sightings = [as_sighting(thing, layout.aspect) for thing in layout.things]
    sightings = [sighting for sighting in sightings if np.isfinite(sighting.track).any()]
    scores = {"count": count_score(scene, len(sightings))}
    if not required:
        return scores
    pairs = matched(required, sightings)
    scores |= named_scores(scene, required, pairs)
    if (held := relation_score(scene, required, pairs)) is not None:
        scores["relation"] = held
    return scores
