"""Which arithmetic is chosen."""

import pytest
import torch

from praxino.models import precision


@pytest.mark.parametrize(
    ("float32", "bfloat16", "chosen"),
    [(2.0, 1.0, "bfloat16"), (1.0, 2.0, "float32"), (1.1, 1.0, "float32")],
)
def test_bfloat16_must_be_clearly_faster(monkeypatch, float32, bfloat16, chosen):
    seconds = {torch.float32: float32, torch.bfloat16: bfloat16}
    monkeypatch.setattr(precision, "_seconds", lambda device, dtype: seconds[dtype])
    precision.fastest.cache_clear()
    assert precision.fastest("cpu") == chosen
    assert precision.resolve("auto", torch.device("cpu")) == chosen
    assert precision.resolve("float32", torch.device("cpu")) == "float32"
    precision.fastest.cache_clear()


def test_here_it_takes_a_moment():
    precision.fastest.cache_clear()
    assert precision.fastest() in precision.DTYPES
