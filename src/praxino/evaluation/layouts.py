"""How well a layout shows what a scene says: the measures of films that need no pixels, held against the scene.

A layout is read as if it were a film in which every thing is seen exactly: what is wrong is the layout's fault alone.
"""

import numpy as np

from praxino.data.diorama.scene import Scene
from praxino.evaluation.diorama import matched, named_scores, relation_score
from praxino.layout import Layout, LayoutThing
from praxino.models.reader import Sighting


def as_sighting(thing: LayoutThing, aspect: float) -> Sighting:
    """A thing of a layout as a reader would see it: nowhere in frames in which its centre is outside the picture."""
    track = np.array([box[:2] for box in thing.boxes], np.float32)
    inside = (track[:, 0] >= 0) & (track[:, 0] < aspect) & (track[:, 1] >= 0) & (track[:, 1] < 1)
    track[~inside] = np.nan
    height = float(np.median([box.height for box in thing.boxes]))
    return Sighting(thing.kind, thing.colour, thing.motion, thing.heading, track, height, 1.0)


def layout_scores(layout: Layout, scene: Scene) -> dict[str, float]:
    """``kind``, ``colour``, ``motion``, ``count``, ``presence``, and where the scene gives an occasion ``binding`` and
    ``relation``: shares of what is right, from 0 to 1, as in `evaluation.diorama.scores`."""
    wanted = [thing for thing in scene.things if scene.shows(thing).sum() >= 3]
    sightings = [as_sighting(thing, layout.aspect) for thing in layout.things]
    sightings = [sighting for sighting in sightings if np.isfinite(sighting.track).any()]
    at_most = sum(bool(scene.visible(thing).any()) for thing in scene.things)
    found = {"count": float(len(wanted) <= len(sightings) <= at_most)}
    if not wanted:
        return found
    pairs = matched(wanted, sightings)
    found |= named_scores(scene, wanted, pairs)
    both = len(wanted) > 1 and all(a is b for a, b in zip(wanted[:2], scene.things[:2], strict=True))
    if scene.relation and both and (held := relation_score(scene, pairs)) is not None:
        found["relation"] = held
    return found
