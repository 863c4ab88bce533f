"""Optimizers, schedule, moving average."""

import pytest
import torch
from torch import nn

from praxino.training.optimizer import (
    EMA,
    OptimizerConfig,
    learning_rate,
    make_optimizer,
    orthogonalised,
)


@pytest.mark.parametrize("shape", [(8, 8), (4, 20), (20, 4)])
def test_orthogonalised_matrices_have_singular_values_near_1(shape):
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape)))
    assert values.min() > 0.5
    assert values.max() < 1.4


@pytest.mark.parametrize("matrices", ["muon", "adamw"])
def test_both_rules_solve_a_regression(matrices):
    model, x = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3)), torch.randn(256, 6)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2].sin(), x[:, 3:].sum(1)], 1)
    config = OptimizerConfig(lr=2e-2, matrices=matrices, weight_decay=0.0)
    rule = make_optimizer(model, config)
    for step in range(300):
        rule.param_groups[0]["lr"] = rule.param_groups[1]["lr"] = learning_rate(step, 300, config)
        loss = (model(x) - y).square().mean()
        loss.backward()
        rule.step()
        rule.zero_grad()
    assert loss < 0.05


def test_vectors_and_tables_follow_adamw_without_decay():
    model = nn.ModuleList([nn.Embedding(5, 4), nn.Linear(4, 4)])
    rule = make_optimizer(model, OptimizerConfig())
    matrices, rest = rule.param_groups
    assert [tuple(p.shape) for p in matrices["params"]] == [(4, 4)]
    assert {tuple(p.shape) for p in rest["params"]} == {(5, 4), (4,)}
    assert rest["weight_decay"] == 0


def test_the_rate_rises_then_falls():
    config = OptimizerConfig(lr=1.0, warmup=10, decay="linear")
    rates = [learning_rate(step, 110, config) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.01)
    assert learning_rate(60, 110, config.model_copy(update={"decay": "cosine"})) == pytest.approx(
        0.5
    )
    assert learning_rate(99, 110, config.model_copy(update={"decay": "none"})) == 1.0


def test_the_average_follows_and_swaps():
    p = nn.Parameter(torch.zeros(2))
    ema = EMA([p], decay=0.5)
    with torch.no_grad():
        p.fill_(1.0)
    for step in range(100, 105):
        ema.update(step)
    assert ema.average[0][0] == pytest.approx(1 - 0.5**5)
    ema.swap()
    assert p[0].item() == pytest.approx(1 - 0.5**5)
    ema.swap()
    assert p[0].item() == 1.0
