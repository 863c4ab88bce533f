"""How each kind of thing is drawn: flat shapes with a lit and a shaded side, legs that step in
order.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from praxino.data.diorama import world
from praxino.data.diorama.canvas import Canvas, Colour, Point, blend, lit
from praxino.data.diorama.letters import spell
from praxino.data.diorama.scene import Individual, Thing

DARK: Final = (30.0, 28.0, 36.0)


@dataclass(frozen=True)
class Pose:
    """One thing in one frame, as its drawing needs it.

    ``x, y`` is the centre, ``height`` the outline's; ``travel`` the way covered along the ground so
    far, ``clock`` the time in seconds, ``airborne`` whether the feet are off the ground.
    """

    x: float
    y: float
    height: float
    heading: int
    travel: float
    clock: float
    motion: str
    airborne: bool
    colour: Colour
    glow: Colour  # windows and lamps, unaffected by the light outside
    # the light on colours that are not the thing's own
    tint: tuple[float, float, float] = (
        1.0,
        1.0,
        1.0,
    )
    material: str | None = None
    pattern: str | None = None
    second: Colour = (0.0, 0.0, 0.0)  # of the pattern
    individual: Individual | None = None
    worn: Colour = (0.0, 0.0, 0.0)  # of its collar or hat
    word: str | None = None

    def at(self, u: float, v: float) -> Point:
        """A point in the thing's own frame: u forward, v up, both in heights from the centre."""
        return self.x + self.heading * u * self.height, self.y - v * self.height

    def dark(self, part: float = 0.35) -> Colour:
        return blend(self.colour, DARK, part)

    def light(self, part: float = 0.35) -> Colour:
        return blend(self.colour, (255.0, 255.0, 255.0), part)


def pose_of(
    thing: Thing,
    place: Point,
    travel: float,
    clock: float,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    glow: Colour = (170.0, 210.0, 236.0),
) -> Pose:
    """A thing at ``place`` under a light that multiplies its colours by ``tint``."""
    x, y = place
    marking = thing.marking
    individual = marking.individual if marking else None
    return Pose(
        x=x,
        y=y,
        height=thing.height,
        heading=thing.heading,
        travel=travel,
        clock=clock,
        motion=thing.motion,
        airborne=thing.ground - (y + thing.height / 2) > 0.02,
        colour=lit(world.COLOURS[thing.colour], tint),
        glow=glow,
        tint=tint,
        material=thing.material,
        pattern=marking.pattern if marking else None,
        second=lit(world.COLOURS[marking.colour], tint) if marking else (0.0, 0.0, 0.0),
        individual=individual,
        worn=lit(world.COLOURS[individual.worn_colour], tint) if individual else (0.0, 0.0, 0.0),
        word=thing.word,
    )


_PLACES: Final[dict[str, tuple[Point, ...]]] = {
    "spots": ((-0.55, 0.2), (-0.05, -0.3), (0.45, 0.25)),
    "stripes": ((-0.5, 0.0), (0.0, 0.0), (0.5, 0.0)),
    "patch": ((-0.45, 0.1),),
    "belt": ((0.1, 0.0),),
}
"""Centres of marks that are no individual's own, in half axes of the body."""


def _marked(
    canvas: Canvas, p: Pose, centre: tuple[float, float], axes: tuple[float, float]
) -> None:
    """An individual's pattern on its body, an ellipse of half ``axes`` about ``centre`` (in the
    thing's own frame).
    """
    (u, v), (a, b) = centre, axes
    places, scale = (
        (p.individual.places, p.individual.scale)
        if p.individual
        else (_PLACES.get(str(p.pattern), ()), 1)
    )
    if p.individual is None and p.pattern == "belt" and b > a:
        places = ((0.0, -0.3),)
    for du, dv in places:
        x, y = u + du * a, v + dv * b
        match p.pattern:
            case "spots":
                canvas.disc(p.at(x, y), 0.3 * scale * min(a, b) * p.height, p.second)
            case "stripes":
                reach = 0.85 * b * math.sqrt(1 - du * du)
                canvas.line(
                    p.at(x, v - reach), p.at(x, v + reach), 0.22 * scale * a * p.height, p.second
                )
            case "patch":
                axes = (0.42 * scale * a * p.height, 0.7 * scale * b * p.height)
                canvas.ellipse(p.at(x, y), axes, p.second)
            case "belt" if b > a:  # who stands upright wears it around the waist
                y = v - dv * b
                canvas.line(
                    p.at(u - 0.9 * a, y), p.at(u + 0.9 * a, y), 0.3 * scale * b * p.height, p.second
                )
            case "belt":
                canvas.line(
                    p.at(x, v - 0.9 * b), p.at(x, v + 0.9 * b), 0.5 * scale * a * p.height, p.second
                )


def _worn(canvas: Canvas, p: Pose, head: Point, radius: float, neck: tuple[Point, Point]) -> None:
    """An individual's hat on a ``head`` of this ``radius``, or its collar across the ``neck`` (in
    its own frame).
    """
    match p.individual.worn if p.individual else None:
        case "hat":
            (u, v), brim = head, head[1] + 0.7 * radius
            canvas.line(
                p.at(u - 1.15 * radius, brim),
                p.at(u + 1.15 * radius, brim),
                0.3 * radius * p.height,
                p.worn,
            )
            crown = [(-0.7, 0.7), (-0.6, 1.7), (0.6, 1.7), (0.7, 0.7)]
            canvas.polygon([p.at(u + x * radius, v + y * radius) for x, y in crown], p.worn)
        case "collar":
            canvas.line(p.at(*neck[0]), p.at(*neck[1]), 0.09 * p.height, p.worn)


def ball(canvas: Canvas, p: Pose) -> None:
    radius = p.height / 2
    if p.material == "steel":
        canvas.disc((p.x, p.y), radius, p.dark(0.6))
        canvas.disc((p.x - 0.08 * radius, p.y - 0.1 * radius), radius * 0.84, p.dark(0.15))
        canvas.disc((p.x - 0.2 * radius, p.y - 0.25 * radius), radius * 0.5, p.light(0.45))
        canvas.disc((p.x - 0.3 * radius, p.y - 0.36 * radius), radius * 0.2, p.light(0.95))
        return
    canvas.disc((p.x, p.y), radius, p.dark(0.3))
    canvas.disc((p.x - 0.1 * radius, p.y - 0.12 * radius), radius * 0.86, p.colour)
    turn = p.travel / radius  # rolls without slipping
    for spot in (turn, turn + math.pi):
        centre = (p.x + 0.5 * radius * math.cos(spot), p.y + 0.5 * radius * math.sin(spot))
        canvas.disc(centre, radius * 0.2, p.dark(0.25))
    canvas.disc((p.x - 0.34 * radius, p.y - 0.4 * radius), radius * 0.24, p.light(0.65))


def box(canvas: Canvas, p: Pose) -> None:
    canvas.polygon(
        [p.at(-0.5, -0.5), p.at(0.5, -0.5), p.at(0.5, 0.5), p.at(-0.5, 0.5)], p.dark(0.35)
    )
    canvas.polygon(
        [p.at(-0.5, -0.5), p.at(0.32, -0.5), p.at(0.32, 0.34), p.at(-0.5, 0.34)], p.colour
    )
    canvas.polygon(
        [p.at(-0.5, 0.34), p.at(0.32, 0.34), p.at(0.5, 0.5), p.at(-0.32, 0.5)], p.light(0.4)
    )
    if p.material == "steel":
        for u, v in ((-0.42, -0.42), (0.24, -0.42), (-0.42, 0.26), (0.24, 0.26)):
            canvas.disc(p.at(u, v), 0.05 * p.height, p.light(0.7))
        canvas.line(p.at(-0.4, -0.1), p.at(0.0, 0.28), 0.07 * p.height, p.light(0.55))
    else:
        for v in (-0.23, 0.05) if not p.word else ():
            canvas.line(p.at(-0.5, v), p.at(0.32, v), 0.04 * p.height, p.dark(0.25))
    _lettered(canvas, p, (-0.46, 0.28), (-0.3, 0.14))


def _lettered(canvas: Canvas, p: Pose, across: Point, up: Point) -> None:
    """Its word, as large as fits between the two edges of each axis (in its own frame); never
    mirrored.
    """
    if p.word:
        left, right = sorted((p.at(across[0], 0)[0], p.at(across[1], 0)[0]))
        top, bottom = p.at(0, up[1])[1], p.at(0, up[0])[1]
        ink = DARK if sum(p.colour) > 330 else (250.0, 250.0, 244.0)
        spell(canvas, p.word, (left, top), (right, bottom), ink)


def sign(canvas: Canvas, p: Pose) -> None:
    """A board on a post."""
    canvas.polygon(
        [p.at(-0.05, -0.5), p.at(-0.05, 0.0), p.at(0.05, 0.0), p.at(0.05, -0.5)],
        (104.0, 78.0, 54.0),
    )
    canvas.polygon(
        [p.at(-0.75, -0.2), p.at(-0.75, 0.5), p.at(0.75, 0.5), p.at(0.75, -0.2)], p.dark(0.4)
    )
    canvas.polygon(
        [p.at(-0.7, -0.15), p.at(-0.7, 0.45), p.at(0.7, 0.45), p.at(0.7, -0.15)], p.colour
    )
    _lettered(canvas, p, (-0.64, 0.64), (-0.05, 0.37))


def car(canvas: Canvas, p: Pose) -> None:
    canvas.polygon(
        [p.at(-0.62, 0.05), p.at(-0.38, 0.5), p.at(0.3, 0.5), p.at(0.6, 0.05)], p.dark(0.15)
    )
    canvas.polygon(
        [p.at(-0.48, 0.08), p.at(-0.32, 0.4), p.at(-0.06, 0.4), p.at(-0.06, 0.08)], p.glow
    )
    canvas.polygon([p.at(0.02, 0.08), p.at(0.02, 0.4), p.at(0.25, 0.4), p.at(0.46, 0.08)], p.glow)
    canvas.polygon(
        [p.at(-1, -0.3), p.at(-0.96, 0.06), p.at(0.7, 0.1), p.at(1, -0.06), p.at(1, -0.3)], p.colour
    )
    canvas.polygon([p.at(-1, -0.3), p.at(-1, -0.18), p.at(1, -0.18), p.at(1, -0.3)], p.dark(0.3))
    canvas.disc(p.at(0.92, -0.06), 0.07 * p.height, (255.0, 244.0, 190.0))
    turn = p.travel / (0.22 * p.height)
    for u in (-0.55, 0.55):
        hub = p.at(u, -0.28)
        canvas.disc(hub, 0.22 * p.height, DARK)
        canvas.disc(hub, 0.1 * p.height, (190.0, 190.0, 196.0))
        spoke = (hub[0] + 0.1 * p.height * math.cos(turn), hub[1] + 0.1 * p.height * math.sin(turn))
        canvas.line(hub, spoke, 0.05 * p.height, DARK)


# Lateral-sequence walk: hind, fore of one side, then of the other, a quarter of a stride apart;
# in the gallop the two hind and the two fore legs nearly pair up.
_GAIT: Final = {"walk": (0.0, 0.25, 0.5, 0.75), "run": (0.0, 0.5, 0.12, 0.62)}


def _legs(canvas: Canvas, p: Pose, hips: tuple[float, float], length: float, width: float) -> None:
    """Four legs: far side first, darker. ``hips`` are u of the hind and fore pair."""
    running = p.motion == "run"
    stride = (1.5 if running else 0.9) * p.height
    phases = _GAIT["run" if running else "walk"]
    cycle = p.heading * p.travel / stride
    for leg, (u, far) in enumerate(
        [(hips[0], True), (hips[1], True), (hips[0], False), (hips[1], False)]
    ):
        angle = 2 * math.pi * (cycle - phases[leg])
        if p.airborne:
            swing, lift = (-0.26 if u < 0 else 0.26), 0.1
        elif p.motion in ("walk", "run"):
            swing, lift = (
                (0.24 if running else 0.16) * math.cos(angle),
                0.1 * max(0.0, -math.sin(angle)),
            )
        else:
            swing, lift = (0.04 if far else -0.03), 0.0
        colour = p.dark(0.45) if far else p.dark(0.12)
        hip, foot = p.at(u, -0.5 + length), p.at(u + swing, -0.47 + lift)
        canvas.line(hip, foot, width * p.height, colour)


def cat(canvas: Canvas, p: Pose) -> None:
    sway = 0.06 * math.sin(2 * math.pi * 1.2 * p.clock)
    root, bend, tip = p.at(-0.48, 0.02), p.at(-0.66, 0.2), p.at(-0.6 + sway, 0.46)
    canvas.line(root, bend, 0.09 * p.height, p.dark(0.15))
    canvas.line(bend, tip, 0.09 * p.height, p.dark(0.15))
    _legs(canvas, p, (-0.36, 0.26), 0.4, 0.11)
    canvas.ellipse(p.at(-0.06, -0.04), (0.46 * p.height, 0.2 * p.height), p.colour)
    _marked(canvas, p, (-0.06, -0.04), (0.46, 0.2))
    canvas.polygon([p.at(0.28, 0.3), p.at(0.28, 0.56), p.at(0.44, 0.38)], p.dark(0.1))
    canvas.polygon([p.at(0.46, 0.36), p.at(0.6, 0.56), p.at(0.64, 0.3)], p.dark(0.1))
    canvas.disc(p.at(0.45, 0.2), 0.23 * p.height, p.colour)
    canvas.disc(p.at(0.53, 0.25), 0.055 * p.height, DARK)
    canvas.disc(p.at(0.66, 0.14), 0.045 * p.height, (236.0, 120.0, 130.0))
    _worn(canvas, p, (0.45, 0.2), 0.23, ((0.21, 0.13), (0.35, -0.08)))


def dog(canvas: Canvas, p: Pose) -> None:
    wag = 0.1 * math.sin(2 * math.pi * 2.5 * p.clock)
    canvas.line(
        p.at(-0.45, 0.08), p.at(-0.66 + wag * 0.4, 0.34 + wag), 0.1 * p.height, p.dark(0.15)
    )
    _legs(canvas, p, (-0.38, 0.24), 0.46, 0.13)
    canvas.polygon(
        [p.at(-0.5, -0.12), p.at(-0.5, 0.16), p.at(0.34, 0.2), p.at(0.36, -0.12)], p.colour
    )
    _marked(canvas, p, (-0.1, 0.02), (0.38, 0.14))
    canvas.polygon(
        [p.at(0.14, 0.02), p.at(0.24, 0.42), p.at(0.48, 0.34), p.at(0.38, 0.0)], p.colour
    )
    canvas.ellipse(p.at(0.4, 0.34), (0.21 * p.height, 0.17 * p.height), p.colour)
    canvas.polygon(
        [p.at(0.44, 0.42), p.at(0.76, 0.32), p.at(0.76, 0.2), p.at(0.44, 0.2)], p.light(0.25)
    )
    canvas.disc(p.at(0.75, 0.3), 0.06 * p.height, DARK)
    canvas.ellipse(
        p.at(0.28, 0.28), (0.09 * p.height, 0.19 * p.height), p.dark(0.4), angle=12 * p.heading
    )
    canvas.disc(p.at(0.47, 0.4), 0.05 * p.height, DARK)
    _worn(canvas, p, (0.4, 0.34), 0.2, ((0.17, 0.16), (0.44, 0.06)))


def horse(canvas: Canvas, p: Pose) -> None:
    sway = 0.05 * math.sin(2 * math.pi * 1.5 * p.clock)
    canvas.line(p.at(-0.46, 0.1), p.at(-0.6 + sway, -0.22), 0.1 * p.height, p.dark(0.5))
    _legs(canvas, p, (-0.36, 0.22), 0.5, 0.09)
    canvas.ellipse(p.at(-0.08, 0.06), (0.43 * p.height, 0.18 * p.height), p.colour)
    _marked(canvas, p, (-0.08, 0.06), (0.43, 0.18))
    canvas.polygon([p.at(0.1, 0.1), p.at(0.34, 0.5), p.at(0.5, 0.42), p.at(0.34, 0.0)], p.colour)
    canvas.line(p.at(0.1, 0.2), p.at(0.32, 0.5), 0.09 * p.height, p.dark(0.5))
    canvas.polygon(
        [p.at(0.32, 0.5), p.at(0.44, 0.5), p.at(0.68, 0.24), p.at(0.6, 0.16), p.at(0.36, 0.3)],
        p.colour,
    )
    canvas.polygon([p.at(0.34, 0.48), p.at(0.38, 0.6), p.at(0.44, 0.48)], p.dark(0.2))
    canvas.disc(p.at(0.46, 0.4), 0.035 * p.height, DARK)
    _worn(canvas, p, (0.42, 0.42), 0.14, ((0.12, 0.26), (0.38, 0.12)))


def person(canvas: Canvas, p: Pose) -> None:
    """The colour is the shirt's; legs swing opposite to each other and to the arms."""
    skin, trousers, hair = (
        lit(colour, p.tint) for colour in ((224, 172, 134), (62, 66, 92), (84, 56, 38))
    )
    running = p.motion == "run"
    stride = (1.1 if running else 0.75) * p.height
    swing = (0.2 if running else 0.13) * math.sin(2 * math.pi * p.heading * p.travel / stride)
    if p.airborne:
        swing = 0.2
    elif p.motion not in ("walk", "run"):
        swing = 0.03
    for side, colour in ((-1, blend(trousers, DARK, 0.4)), (1, trousers)):
        canvas.line(p.at(0.0, -0.08), p.at(side * swing, -0.47), 0.09 * p.height, colour)
    canvas.line(p.at(0.0, 0.2), p.at(swing, -0.06), 0.06 * p.height, p.dark(0.4))
    canvas.polygon(
        [p.at(-0.11, 0.24), p.at(0.11, 0.24), p.at(0.1, -0.12), p.at(-0.1, -0.12)], p.colour
    )
    _marked(canvas, p, (0.0, 0.06), (0.1, 0.17))
    canvas.line(p.at(0.0, 0.2), p.at(-swing, -0.06), 0.06 * p.height, p.dark(0.2))
    canvas.disc(p.at(0.02, 0.37), 0.12 * p.height, skin)
    canvas.ellipse(p.at(-0.02, 0.42), (0.125 * p.height, 0.085 * p.height), hair)
    canvas.disc(p.at(0.09, 0.37), 0.022 * p.height, DARK)
    _worn(canvas, p, (0.02, 0.39), 0.13, ((-0.1, 0.22), (0.1, 0.22)))


def flower(canvas: Canvas, p: Pose) -> None:
    sway = 0.03 * math.sin(2 * math.pi * 0.6 * p.clock)
    green = lit((58, 140, 60), p.tint)
    head = p.at(sway, 0.24)
    canvas.line(p.at(0.0, -0.5), head, 0.07 * p.height, green)
    canvas.ellipse(
        p.at(0.13, -0.26), (0.15 * p.height, 0.06 * p.height), green, angle=-30 * p.heading
    )
    canvas.ellipse(
        p.at(-0.13, -0.2), (0.15 * p.height, 0.06 * p.height), green, angle=30 * p.heading
    )
    for petal in range(6):
        angle = math.pi * petal / 3
        centre = (
            head[0] + 0.15 * p.height * math.cos(angle),
            head[1] + 0.15 * p.height * math.sin(angle),
        )
        canvas.disc(centre, 0.105 * p.height, p.colour)
    canvas.disc(
        head, 0.09 * p.height, lit((244, 190, 40), p.tint) if p.colour[2] > 60 else p.dark(0.6)
    )


def bird(canvas: Canvas, p: Pose) -> None:
    beat = math.sin(2 * math.pi * 2.0 * p.clock)
    canvas.polygon([p.at(-0.42, 0.0), p.at(-0.86, 0.16), p.at(-0.84, -0.14)], p.dark(0.3))
    canvas.ellipse(p.at(0.0, 0.0), (0.52 * p.height, 0.24 * p.height), p.colour)
    canvas.disc(p.at(0.5, 0.12), 0.2 * p.height, p.colour)
    canvas.polygon([p.at(0.64, 0.18), p.at(0.92, 0.08), p.at(0.64, 0.02)], (246.0, 170.0, 40.0))
    canvas.disc(p.at(0.56, 0.18), 0.06 * p.height, DARK)
    canvas.polygon(
        [p.at(-0.26, 0.06), p.at(0.24, 0.06), p.at(-0.2, 0.06 + 0.62 * beat)], p.dark(0.28)
    )


def boat(canvas: Canvas, p: Pose) -> None:
    rock = 0.035 * math.sin(2 * math.pi * 0.7 * p.clock)

    def at(u: float, v: float) -> Point:  # rocks about the water line
        return p.at(u + rock * (v + 0.4), v - rock * u)

    canvas.line(at(0.0, -0.3), at(0.0, 0.52), 0.035 * p.height, (110.0, 78.0, 50.0))
    canvas.polygon([at(-0.04, -0.16), at(-0.04, 0.48), at(-0.44, -0.16)], p.light(0.78))
    canvas.polygon([at(0.05, -0.16), at(0.05, 0.4), at(0.36, -0.16)], p.light(0.6))
    canvas.polygon([at(-0.48, -0.22), at(0.5, -0.22), at(0.34, -0.5), at(-0.34, -0.5)], p.colour)
    canvas.polygon([at(-0.48, -0.22), at(0.5, -0.22), at(0.46, -0.3), at(-0.44, -0.3)], p.dark(0.3))
    if p.word:  # its hull is higher then, and painted plainly
        canvas.polygon([at(-0.5, -0.12), at(0.52, -0.12), at(0.4, -0.5), at(-0.38, -0.5)], p.colour)
        _lettered(canvas, p, (-0.37, 0.39), (-0.44, -0.18))


def tree(canvas: Canvas, p: Pose) -> None:
    sway = 0.012 * math.sin(2 * math.pi * 0.5 * p.clock)
    canvas.polygon(
        [p.at(-0.07, -0.5), p.at(-0.04, 0.1), p.at(0.04, 0.1), p.at(0.07, -0.5)],
        (104.0, 72.0, 44.0),
    )
    for u, v, r, tone in (
        (0.0, 0.0, 0.3, 0.3),
        (-0.17, 0.08, 0.2, 0.12),
        (0.16, 0.1, 0.2, 0.22),
        (0.0, 0.26, 0.24, 0.0),
    ):
        canvas.disc(p.at(u + sway * (v + 0.5) * 2, v), r * p.height, p.dark(tone))


def house(canvas: Canvas, p: Pose) -> None:
    canvas.polygon(
        [p.at(-0.46, -0.5), p.at(-0.46, 0.12), p.at(0.46, 0.12), p.at(0.46, -0.5)], p.colour
    )
    canvas.polygon([p.at(-0.56, 0.1), p.at(0.0, 0.5), p.at(0.56, 0.1)], p.dark(0.5))
    canvas.polygon(
        [p.at(-0.1, -0.5), p.at(-0.1, -0.12), p.at(0.12, -0.12), p.at(0.12, -0.5)], p.dark(0.6)
    )
    for u in (-0.38, 0.2):
        canvas.polygon(
            [p.at(u, -0.22), p.at(u, 0.0), p.at(u + 0.18, 0.0), p.at(u + 0.18, -0.22)], p.glow
        )


DRAW: Final[dict[str, Callable[[Canvas, Pose], None]]] = {
    "ball": ball,
    "box": box,
    "car": car,
    "person": person,
    "cat": cat,
    "dog": dog,
    "horse": horse,
    "bird": bird,
    "boat": boat,
    "tree": tree,
    "flower": flower,
    "house": house,
    "sign": sign,
}
