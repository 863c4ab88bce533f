"""The forensic network and the autoencoders that it learns to find."""

import pytest
import torch

from praxino.models.forensic import Forensic, ForensicConfig, RoundTrip, detail, round_trips


@pytest.fixture(name="network")
def _network() -> Forensic:
    return Forensic(ForensicConfig(width=4))


def test_a_map_of_logits(network):
    assert network(torch.rand(2, 3, 6, 64, 48) * 2 - 1).shape == (2, 4, 8, 6)


def test_what_is_coarse_is_not_seen(network):
    """A slope over the whole picture, or more light, changes nothing inside."""
    clip = torch.rand(1, 3, 4, 64, 64) * 0.5 - 0.25
    slope = torch.linspace(-0.3, 0.3, 64).expand(1, 3, 4, 64, 64)
    inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    torch.testing.assert_close(
        network(clip + slope)[inside], network(clip)[inside], atol=2e-4, rtol=1e-3
    )
    assert detail(torch.full((1, 3, 8, 8), 0.7)).abs().max() < 1e-4


def test_a_place_does_not_depend_on_what_is_far_away(network):
    clip = torch.rand(1, 3, 4, 128, 128) * 2 - 1
    other = clip.clone()
    other[..., 96:, :] = 0
    torch.testing.assert_close(network(clip)[..., :4, :], network(other)[..., :4, :])


def test_a_batch_of_two_is_two_of_one(network):
    clips = torch.rand(2, 3, 5, 32, 32) * 2 - 1
    torch.testing.assert_close(network(clips), torch.cat([network(clips[:1]), network(clips[1:])]))


@pytest.mark.parametrize("index", range(6))
def test_round_trips_keep_their_shape_and_learn(index):
    trip = round_trips()[index]
    clip = torch.rand(2, 3, 4, 32, 32).round() * 2 - 1
    rule = torch.optim.Adam(trip.parameters(), 5e-3)
    losses = []
    for _ in range(12):
        made = trip(clip)
        assert made.shape == clip.shape
        loss = (made - clip).abs().mean()
        losses.append(loss.item())
        rule.zero_grad()
        loss.backward()
        rule.step()
    assert losses[-1] < losses[0]


def test_frames_share_a_latent_only_where_they_should():
    clip = torch.rand(1, 3, 4, 16, 16)
    other = clip.clone()
    other[:, :, 1] = 0
    alone, shared = RoundTrip("nearest", 2, False), RoundTrip("nearest", 2, True)
    torch.testing.assert_close(alone(clip)[:, :, 0], alone(other)[:, :, 0])
    assert not torch.equal(shared(clip)[:, :, 0], shared(other)[:, :, 0])
    torch.testing.assert_close(shared(clip)[:, :, 2:], shared(other)[:, :, 2:])
