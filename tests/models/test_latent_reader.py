"""The latent reader: films that show their layout score higher."""

import pytest
import torch

from praxino.models.latent_reader import LatentReader, LatentReaderConfig
from praxino.recipes import recipe

CONFIG = LatentReaderConfig(channels=4, covers=3, width=8, blocks=1)


class Echo(LatentReader):
    """Reads covers from the latents' own first channels."""

    def forward(self, latents):
        return 10 * latents[:, : self.config.covers] - 5


def raster_of(*places):
    """(1, 5, 2, 4, 4): covers of three kinds, and two channels that are not looked at."""
    raster = torch.zeros(1, 5, 2, 4, 4)
    for kind, row, column in places:
        raster[:, kind, :, row, column] = 1.0
    raster[:, 3:] = torch.randn(1, 2, 2, 4, 4)
    return raster


def test_what_is_shown_where_it_should_be_agrees_best():
    asked = raster_of((0, 1, 1), (2, 3, 3))
    shown = {
        "right": raster_of((0, 1, 1), (2, 3, 3)),
        "one is missing": raster_of((0, 1, 1)),
        "one is of another kind": raster_of((0, 1, 1), (1, 3, 3)),
        "nothing": raster_of(),
    }
    reader = Echo(CONFIG)
    scores = {
        name: float(reader.agreement(latents[:, :4], asked)) for name, latents in shown.items()
    }
    assert sorted(scores, key=scores.get, reverse=True)[0] == "right"
    assert scores["right"] > scores["one is missing"] > scores["nothing"]
    assert scores["one is missing"] > scores["one is of another kind"]
    assert all(score <= 0 for score in scores.values())


def test_a_layout_of_nothing_is_judged_by_what_is_there_though_unasked():
    reader = Echo(CONFIG)
    empty, full = (
        float(reader.agreement(x[:, :4], raster_of())) for x in (raster_of(), raster_of((0, 1, 1)))
    )
    assert empty > full


@pytest.mark.parametrize("size", [(2, 4, 1, 8, 8), (1, 4, 5, 8, 16)])
def test_latents_of_any_size(size):
    assert LatentReader(CONFIG)(torch.randn(size)).shape == (size[0], 3, *size[2:])


def test_the_recipe_is_small():
    network = LatentReader(recipe("diorama-latent-reader").stage.reader)
    assert sum(p.numel() for p in network.parameters()) < 550_000
