"""How things move: closed-form tracks under gravity, restitution and momentum.

Each function returns ``(position, velocity)``, both ``(frames, 2)``: the centre in frame heights (y
down) and its exact time derivative per second, at the times asked for.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from praxino.data.diorama.world import GRAVITY

Array = NDArray[np.float64]
Track = tuple[Array, Array]

REST_SPEED = 0.12
"""An impact slower than this (frame heights per second) ends the bouncing."""


def steady(start: tuple[float, float], velocity: tuple[float, float], times: Array) -> Track:
    """Constant velocity: rolling, driving, walking, flying level."""
    speed = np.tile(np.asarray(velocity, np.float64), (len(times), 1))
    return np.asarray(start, np.float64) + speed * times[:, None], speed


def bobbing(track: Track, times: Array, height: float = 0.012, rate: float = 0.7) -> Track:
    """A track on waves: up and down by ``height``, ``rate`` times a second."""
    phase = 2 * math.pi * rate * times + 1
    rise = np.stack([np.zeros_like(times), height * np.sin(phase)], axis=1)
    speed = np.stack([np.zeros_like(times), 2 * math.pi * rate * height * np.cos(phase)], axis=1)
    return track[0] + rise, track[1] + speed


def then(
    moment: float, before: Callable[[Array], Track], after: Callable[[Array], Track], times: Array
) -> Track:
    """One motion until ``moment``, another from then on; the second counts its time from there."""
    early = times < moment
    parts = before(times[early]), after(times[~early] - moment)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def after_impact(
    velocities: tuple[float, float], masses: tuple[float, float], restitution: float
) -> tuple[float, float]:
    """Speeds of two bodies after they meet on a line: momentum is kept, the closing speed times
    ``restitution``.
    """
    (u, v), (m, n) = velocities, masses
    mean = (m * u + n * v) / (m + n)
    return mean - restitution * n * (u - v) / (m + n), mean + restitution * m * (u - v) / (m + n)


def bouncing(
    start: tuple[float, float],
    velocity: tuple[float, float],
    floor: float,
    restitution: float,
    times: Array,
) -> Track:
    """Free flight under gravity with impacts on ``floor`` (the lowest y that the centre can have).

    Each impact multiplies the vertical speed by ``-restitution``; the sideways speed is kept.
    """
    position, speed = np.empty((len(times), 2)), np.empty((len(times), 2))
    since, (x, y), (vx, vy) = 0.0, start, velocity  # the state at the last impact
    flying = True
    for i, t in enumerate(times):
        while flying:
            impact = math.sqrt(vy * vy + 2 * GRAVITY * (floor - y))
            flight = (impact - vy) / GRAVITY
            if since + flight > t:
                break
            since, x, y, vy = since + flight, x + vx * flight, floor, -restitution * impact
            flying = -vy > REST_SPEED
        tau = t - since
        position[i] = x + vx * tau, y + (vy * tau + GRAVITY * tau * tau / 2 if flying else 0.0)
        speed[i] = vx, (vy + GRAVITY * tau if flying else 0.0)
    return position, speed


def collision(
    starts: tuple[float, float],
    velocities: tuple[float, float],
    masses: tuple[float, float],
    reach: float,
    restitution: float,
    times: Array,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Two bodies on a line that approach, touch when ``reach`` apart, and part: momentum is
    conserved.

    Returns ``(x, vx)`` of both, each ``(frames,)``. ``restitution`` is the ratio of the closing
    speeds.
    """
    (a, b), (u, v) = starts, velocities
    closing = u - v
    meet = (b - a - reach) / closing if closing > 0 else math.inf
    after_a, after_b = after_impact(velocities, masses, restitution)

    def line(x: float, before: float, after: float) -> tuple[Array, Array]:
        speed = np.where(times < meet, before, after)
        return x + np.minimum(times, meet) * before + np.maximum(times - meet, 0.0) * after, speed

    return line(a, u, after_a), line(b, v, after_b)


def hopping(
    start: tuple[float, float], speed: float, leap: float, pause: float, times: Array
) -> Track:
    """Jumps of take-off speed ``leap`` (up) one after another, standing ``pause`` seconds between
    them.
    """
    flight = 2 * leap / GRAVITY
    jumps, tau = np.divmod(times, flight + pause)
    tau = np.clip(tau - pause, 0.0, flight)
    airborne = (tau > 0) & (tau < flight)
    position = np.stack(
        [start[0] + speed * (jumps * flight + tau), start[1] - leap * tau + GRAVITY * tau**2 / 2],
        axis=1,
    )
    velocity = np.stack(
        [np.where(airborne, speed, 0.0), np.where(airborne, GRAVITY * tau - leap, 0.0)], axis=1
    )
    return position, velocity
