"""Films of several shots with known borders, for tests of curation."""

import numpy as np

from support.footage import textured


def scene(seed, frames=24, step=1.0, size=(96, 128)):
    """A textured plane of a colour of its own, that glides."""
    film = textured(frames, *size, seed=seed, step=step).astype(np.float32)
    tint = np.random.default_rng(seed).uniform(0.3, 1.0, 3)
    return (film * tint).astype(np.uint8)


def dissolve(first, second, frames):
    """Two films, the last ``frames`` of one turning into the first of the other."""
    share = ((np.arange(frames) + 0.5) / frames)[:, None, None, None]
    mixed = first[-frames:] * (1 - share) + second[:frames] * share
    return np.concatenate([first[:-frames], mixed.round().astype(np.uint8), second[frames:]])


def fade(first, second, frames):
    """Two films, one fading to black, and the other from it."""
    share = ((np.arange(frames) + 1) / frames)[:, None, None, None]
    out, back = first[-frames:] * (1 - share), second[:frames] * share
    dark = np.concatenate([out, back]).round().astype(np.uint8)
    return np.concatenate([first[:-frames], dark, second[frames:]])
