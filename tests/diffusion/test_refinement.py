"""Windows that make one film: what is put together is whole, and refining keeps what is there."""

import pytest
import torch

from praxino.diffusion.refinement import CONDITION_NOISE, averaged, refine


@pytest.mark.parametrize("size", [(9, 16, 16), (5, 8, 8), (2, 8, 24), (1, 4, 4), (7, 13, 9)])
def test_windows_of_what_stays_as_it_is_are_the_whole(size):
    x = torch.randn(1, 3, *size)
    torch.testing.assert_close(averaged(lambda part: part, x, (5, 8, 8)), x)


def test_windows_have_the_size_that_the_network_knows():
    seen = []

    def network(x):
        seen.append(x.shape)
        return x[:, :2]

    assert averaged(network, torch.zeros(1, 4, 9, 16, 16), (5, 8, 8)).shape == (1, 2, 9, 16, 16)
    assert sum(shape[0] for shape in seen) == 3 * 3 * 3
    assert {tuple(shape[1:]) for shape in seen} == {(4, 5, 8, 8)}


def test_a_perfect_network_gives_the_large_film_whatever_the_enlarged_one_is():
    true, enlarged = torch.randn(2, 1, 4, 3, 6, 6).unbind()

    def network(x, t):
        assert x.shape[1] == 8
        return (x[:, :4] - true) / t  # the velocity that leads there

    generator = torch.Generator().manual_seed(0)
    states = list(refine(network, enlarged, 0.6, (3, 6, 6), generator, steps=4))
    assert [state.step for state in states] == [1, 2, 3, 4]
    torch.testing.assert_close(states[-1].x, true)


def test_the_enlarged_film_is_told_with_little_noise():
    enlarged, seen = torch.randn(1, 4, 3, 6, 6), []

    def network(x, t):
        seen.append(x[:, 4:])
        return torch.zeros_like(x[:, :4])

    list(refine(network, enlarged, 0.6, (3, 6, 6), torch.Generator().manual_seed(0), steps=2))
    assert torch.equal(seen[0], seen[1])
    noise = (seen[0] - (1 - CONDITION_NOISE) * enlarged) / CONDITION_NOISE
    assert noise.std() == pytest.approx(1, abs=0.2)
