"""The code of the mark's message: what it survives, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.provenance.watermark.channel_code import BITS, CODED, decoded, encoded


@given(st.integers(0, 2**BITS - 1))
def test_a_message_comes_back(message):
    coded = encoded(message)
    assert coded.shape == (CODED,)
    assert decoded(1.0 - 2.0 * coded) == message


def test_a_fifth_of_the_bits_may_be_wrong():
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(20):
        message = int(rng.integers(0, 2**BITS))
        # 16% of the signs are wrong
        received = 1.0 - 2.0 * encoded(message) + rng.normal(0, 1.0, CODED)
        right += decoded(received) == message
    assert right == 20


def test_noise_is_no_message():
    rng = np.random.default_rng(0)
    assert sum(decoded(rng.normal(0, 1, CODED)) is not None for _ in range(40)) == 0


@pytest.mark.parametrize("message", [0, 2**BITS - 1])
def test_messages_at_the_ends(message):
    assert decoded(1.0 - 2.0 * encoded(message)) == message
