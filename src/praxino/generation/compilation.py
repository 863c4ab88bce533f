"""Denoisers through torch's compiler."""

import importlib.util
import os
import shlex
import shutil
import warnings

import torch

from praxino.errors import InputError
from praxino.models.dit import DiT


def compile_blocks(dit: DiT) -> None:
    """Let torch make one kernel of what stands between the products of each block; the first step
    then takes longer.
    """
    # rotations
    warnings.filterwarnings(
        "ignore", message="Torchinductor does not support code generation for complex"
    )
    for block in dit.blocks:
        if block._compiled_call_impl is None:
            block.compile(dynamic=False)


def require_compiler(device: torch.device) -> None:
    """Raise `InputError` where there is nothing to compile with."""
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise InputError(
            "--compile needs the library triton", "leave it out; or pip install triton"
        )
    variable, names = (
        ("CC", ("gcc", "clang")) if device.type == "cuda" else ("CXX", ("g++", "clang++"))
    )
    own = shlex.split(os.environ.get(variable, ""))[:1]
    if not any(shutil.which(name) for name in (*own, *names)):
        raise InputError(
            f"--compile needs a compiler ({' or '.join(names)})",
            f"leave it out; or install {names[0]}",
        )
