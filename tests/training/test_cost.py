"""What training would take, held against runs of which others have told."""

import json
import math

import pytest

from praxino.errors import InputError
from praxino.models.dit import DiTConfig
from praxino.recipes import recipe
from praxino.training import cost, staircases
from praxino.training.dry_run import dry_run
from praxino.training.parallel import ParallelConfig

SMALL = DiTConfig(width=48, heads=2, layers=3, ffn=100, text_width=20, time_features=16)
H200 = 989e12


def test_open_sora_2_reached_the_shares_of_its_gpus_that_are_assumed():
    """11 B parameters in 57 blocks of 3,072, 70 M clips at 256 pixels in 2,240 days of H200s, for
    107,500 dollars; at 768 pixels 5 M in 1,536 (arXiv 2503.09642): clips of 65 to 129 frames.
    """
    tokens = lambda frames, side: ((frames - 1) // 4 + 1) * (side // 16) ** 2  # noqa: E731
    for clips, days, side in ((70e6, 2240, 256), (5e6, 1536, 768)):
        for frames in (65, 129) if side == 256 else (65,):
            flop = cost.training_flop(11e9, 57, 3072, tokens(frames, side), 120) * clips
            assert 0.15 < flop / (days * cost.DAY_SECONDS * H200) < 0.36
    assert pytest.approx(2.0, rel=0.01) == 107_500 / (2240 * 24)


def test_hours_and_bytes_of_panda_70m_and_hd_vila():
    """70.8 M clips of 8.5 s are 167,000 hours, and 36 TB at 0.48 Mbit/s; 371,500 hours of clips of
    13.4 s are 100 M.
    """
    assert pytest.approx(167_000, rel=0.01) == 70.8e6 * 8.5 / 3600
    assert pytest.approx(1e8, rel=0.01) == 371_500 * 3600 / 13.4
    panda = cost.Staircase(
        name="panda",
        network=SMALL,
        fps=16,
        steps=(cost.Step(name="all", clips=70.8e6, frames=137, height=256, width=256),),
    )
    machine = cost.Machine(megabits=0.48)
    (only,) = cost.cost(panda, machine, 2.0, [1]).steps
    assert only.film_bytes == pytest.approx(36e12, rel=0.02)


def test_wans_networks_have_the_sizes_that_their_names_say():
    count = lambda config: sum(math.prod(shape) for shape in cost.parameter_shapes(config))  # noqa: E731
    assert count(DiTConfig()) == pytest.approx(1.42e9, rel=0.01)
    large = DiTConfig(width=5120, heads=40, layers=40, ffn=13824)
    assert count(large) == pytest.approx(14.3e9, rel=0.01)


def test_a_staircase_of_ten_billion():
    machine = cost.Machine(share=0.35)
    result = cost.cost(staircases.STAIRCASES["10b"](), machine, 2.0, [1, 64])
    assert result.parameters == pytest.approx(10.4e9, rel=0.01)
    by_name = {one.step.name: one for one in result.steps}
    small = by_name["256 pixels"]
    assert small.tokens == 9 * 16 * 16
    assert small.gpu_days / 100 == pytest.approx(6.8, rel=0.03)  # a million clips
    assert small.money == pytest.approx(small.gpu_days * 48)
    assert small.latent_bytes == pytest.approx(0.295e6 * 1e8, rel=0.01)
    assert result.state_bytes[1] == 28 * result.parameters
    assert result.state_bytes[64] > result.state_bytes[1] / 64
    assert result.working_bytes == pytest.approx(22 * 268.5e6, rel=0.01)  # of a block


def test_what_is_kept_for_the_way_back():
    kept = cost.activation_bytes(SMALL, 640, 16, recompute=False)
    again = cost.activation_bytes(SMALL, 640, 16, recompute=True)
    assert kept / 3 < again < kept
    assert cost.activation_bytes(SMALL, 1280, 16, recompute=False) == pytest.approx(
        2 * kept, rel=0.1
    )


def test_recipes_are_staircases_and_other_recipes_are_not():
    stairs = staircases.of_recipe("diorama", recipe("diorama"))
    (only,) = stairs.steps
    assert (only.frames, only.height, only.width) == (17, 64, 64)
    (own,) = cost.cost(stairs, cost.Machine(), 0, [1]).steps
    assert own.tokens == 80
    with pytest.raises(InputError, match="no denoiser"):
        staircases.of_recipe("diorama-layout", recipe("diorama-layout"))


def test_a_thousand_processes_that_are_not_there():
    run = dry_run(SMALL, 1000, ParallelConfig())
    assert run.clips == 3000
    assert len(run.parts) == 4
    groups = dry_run(SMALL, 1000, ParallelConfig(replicas=100))
    assert sum(groups.parts.values()) > sum(run.parts.values())


def test_the_verb(praxino, tmp_path):
    code, out, _ = praxino("cost", "10b", "--gpus", 512, "--price", 3)
    assert code == 0
    assert "10.36 B parameters" in out
    assert "days on 512" in out
    code, out, _ = praxino("cost", "diorama", "--json")
    figures = json.loads(out)
    own = staircases.of_recipe("diorama", recipe("diorama"))
    (tmp_path / "own.json").write_text(own.model_dump_json())
    code, out, _ = praxino("cost", tmp_path / "own.json", "--json")
    assert json.loads(out) == figures
    code, out, _ = praxino("cost", tmp_path / "own.json", "--gpus", 12, "--dry-run")
    assert "12 processes that are not there" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("10c",), "10c"),
        (("diorama-layout",), "no denoiser"),
        (("10b", "--gpus", 10, "--replicas", 3), "10 GPUs in 3 replicas"),
        (("10b", "--share", 2), "share"),
        (("10b", "--gpus", 100_000, "--dry-run"), "at most 20000"),
        (("none.json",), "no such file"),
        (("diorama", "--gpus", 1, "--dry-run"), "two processes or more"),
    ],
)
def test_what_cannot_be_is_one_line(praxino, words, message):
    code, _, err = praxino("cost", *words)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
