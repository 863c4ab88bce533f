"""The parent of every config: frozen, strict, flat, saved as JSON beside the weights it
describes.
"""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Subclasses declare fields with types, units and ranges; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
