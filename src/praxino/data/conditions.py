"""What may have happened to a clip on its way, by name."""

from enum import StrEnum


class Condition(StrEnum):
    """What happened to a clip on its way."""

    NATIVE = "native"
    """Left as it was found, at its own size."""
    NONE = "none"
    """Brought to the size of the others, and nothing else."""
    CRF_18 = "crf 18"
    CRF_23 = "crf 23"
    CRF_28 = "crf 28"
    CRF_35 = "crf 35"
    CRF_42 = "crf 42"
    THREE_QUARTERS = "scale 0.75"
    HALF_SIZE = "scale 0.5"
    QUARTER_SIZE = "scale 0.25"
    HALF_RATE = "half rate"
    FRAMES_12 = "12 frames"
    FRAMES_8 = "8 frames"
    GIF = "gif"
    MESSENGER = "messenger"
    CRF_28_HALF_SIZE = "crf 28, scale 0.5"
