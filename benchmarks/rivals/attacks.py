"""What is done to marked films, by accident or on purpose: each takes and returns a film (T, H, W,
3) uint8.
"""

import os
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from praxino.data.degrade import even, gif
from praxino.data.pixels import resized
from praxino.storage.media.codec import encode

Film = NDArray[np.uint8]
FPS = 24.0


os.environ.setdefault("SVT_LOG", "1")  # its encoder is talkative


def through(codec: str, fps: float = FPS, **options: str) -> Callable[[Film], Film]:
    """An encoder and back."""
    return lambda film: encode(even(film), fps, codec, options).decoded()


def h264(crf: int, fps: float = FPS, preset: str = "veryfast") -> Callable[[Film], Film]:
    return through("libx264", fps, preset=preset, crf=str(crf))


def sized(factor: float) -> Callable[[Film], Film]:
    return lambda film: resized(film, *(round(side * factor / 2) * 2 for side in film.shape[1:3]))


def cut(share: float, back: bool = False) -> Callable[[Film], Film]:
    """A part of the picture with that share of its area, at a place that the film's bytes choose;
    ``back`` enlarged.
    """

    def way(film: Film) -> Film:
        rng = np.random.default_rng(int(film[0].sum()))
        height, width = (round(side * share**0.5 / 2) * 2 for side in film.shape[1:3])
        top, left = (
            rng.integers(0, film.shape[1] - height + 1),
            rng.integers(0, film.shape[2] - width + 1),
        )
        part = np.ascontiguousarray(film[:, top : top + height, left : left + width])
        return resized(part, *film.shape[1:3]) if back else part

    return way


def turned(degrees: float) -> Callable[[Film], Film]:
    def way(film: Film) -> Film:
        height, width = film.shape[1:3]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
        return np.stack([cv2.warpAffine(frame, matrix, (width, height)) for frame in film])

    return way


def light(gain: float = 1.0, offset: float = 0.0, gamma: float = 1.0) -> Callable[[Film], Film]:
    table = (
        (255 * (np.clip((np.arange(256) * gain + offset) / 255, 0, 1) ** gamma))
        .round()
        .astype(np.uint8)
    )
    return lambda film: table[film]


def coloured(film: Film) -> Film:
    """Hue turned by 20 degrees, saturation a third up."""
    out = []
    for frame in film:
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV).astype(np.int32)
        hsv[..., 0] = (hsv[..., 0] + 10) % 180
        hsv[..., 1] = np.minimum(hsv[..., 1] * 4 // 3, 255)
        out.append(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))
    return np.stack(out)


def blurred(film: Film) -> Film:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in film])


def noisy(film: Film) -> Film:
    rng = np.random.default_rng(0)
    return (film + rng.normal(0, 8, film.shape)).clip(0, 255).round().astype(np.uint8)


def half_dropped(film: Film) -> Film:
    """Half of the frames, chosen by chance."""
    kept = np.sort(np.random.default_rng(0).permutation(len(film))[: max(1, len(film) // 2)])
    return film[kept]


def rerated(film: Film) -> Film:
    """From 24 to 15 frames a second, neighbours mixed."""
    places = np.arange(0, len(film) - 1, 24 / 15)
    low, share = places.astype(int), places % 1
    mixed = [
        (1 - s) * film[i] + s * film[i + 1].astype(np.float32)
        for i, s in zip(low, share, strict=True)
    ]
    return np.stack(mixed).round().astype(np.uint8)


def one_second(film: Film) -> Film:
    return film[len(film) // 4 :][: round(FPS)]


def chained(*ways: Callable[[Film], Film]) -> Callable[[Film], Film]:
    def way(film: Film) -> Film:
        for each in ways:
            film = each(film)
        return film

    return way


def averaged_out(film: Film) -> Film:
    """What is alike in all frames is taken for the mark, and half of its fine part taken off."""
    mean = film.astype(np.float32).mean(0)
    fine = mean - cv2.GaussianBlur(mean, (0, 0), 6)
    return (film - 0.5 * fine.clip(-3, 3)).clip(0, 255).round().astype(np.uint8)


def denoised(film: Film) -> Film:
    """Non-local means, strong enough to be seen; of eight frames."""
    return np.stack(
        [cv2.fastNlMeansDenoisingColored(frame, None, 5, 5, 5, 15) for frame in film[::6]]
    )


WAYS: Final[dict[str, Callable[[Film], Film]]] = {
    "none": lambda film: film,
    "H.264 CRF 23": h264(23),
    "H.264 CRF 28": h264(28),
    "H.264 CRF 33": h264(33),
    "H.264 CRF 40": h264(40),
    "H.265 CRF 30": through(
        "libx265", preset="veryfast", crf="30", **{"x265-params": "log-level=none"}
    ),
    "VP9 CRF 36": through("libvpx-vp9", crf="36", b="0", deadline="realtime", **{"cpu-used": "8"}),
    "AV1 CRF 40": through("libsvtav1", crf="40", preset="10"),
    "resize 0.5x": sized(0.5),
    "resize 0.75x": sized(0.75),
    "resize 2x": sized(2.0),
    "crop 50%": cut(0.5),
    "crop 50%, enlarged": cut(0.5, back=True),
    "crop 80%": cut(0.8),
    "rotate 5 degrees": turned(5),
    "flip": lambda film: np.ascontiguousarray(film[:, :, ::-1]),
    "brightness +20%": light(1.2),
    "contrast 0.7x": light(0.7, 38),
    "gamma 1.4": light(gamma=1.4),
    "colour": coloured,
    "blur 1.5 px": blurred,
    "noise 8": noisy,
    "frames dropped, half": half_dropped,
    "24 to 15 frames/s": rerated,
    "one second": one_second,
    "GIF": gif,
    "0.5x, CRF 33": chained(sized(0.5), h264(33)),
    "chain: 0.75x, crop 80%, CRF 28": chained(sized(0.75), cut(0.8), h264(28)),
    "chain: CRF 28, contrast, 0.5x": chained(h264(28), light(0.8, 25), sized(0.5)),
    "chain: crop 80%, 1.25x, CRF 30": chained(cut(0.8), sized(1.25), h264(30)),
}
"""The ways by name."""
SMALL: Final[dict[str, Callable[[Film], Film]]] = {
    **{f"H.264 CRF {crf}": h264(crf, 8.0, "medium") for crf in (12, 18, 23, 26, 28)},
    **{
        name: WAYS[name]
        for name in ("none", "resize 2x", "flip", "frames dropped, half", "GIF", "crop 50%")
    },
}
"""Those for films of 64x64 at 8 frames a second."""
HOSTILE: Final[dict[str, Callable[[Film], Film]]] = {
    "denoised (non-local means)": denoised,
    "averaged over its frames, subtracted": averaged_out,
}
"""Those that want the mark gone."""
