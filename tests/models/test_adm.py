"""The U-Net of 2021 with random weights says what the code says that it was published with."""

import pytest
import torch

from praxino.errors import InputError, ShapeError
from praxino.models.adm import ADM, ADMClassifier, ADMConfig

SIZES = {"size": 32, "width": 32, "multipliers": (1, 2), "blocks": 1, "attention": (32, 16)}
STEPS = torch.tensor([3.0, 700.0])


def random_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Tensors by name, none at its special initial value; equal ones for equal names and shapes."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in sorted(network.state_dict().items()):
        drawn = torch.randn(tensor.shape, generator=generator)
        gain = tensor.dim() == 1 and name.endswith("weight")
        state[name] = 0.05 * drawn if tensor.dim() > 1 else 0.1 * drawn + gain
    return state


def adm(kind=ADM, **changes):
    network = kind(ADMConfig(**(SIZES | {"head_width": 32} | changes)))
    network.load_state_dict(random_state(network))
    return network.eval()


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("order", ["legacy", "new"])
@pytest.mark.parametrize("classes", [0, 10])
def test_it_says_what_diffusers_says(order, classes):
    diffusers = pytest.importorskip("diffusers")
    ours = adm(order=order, classes=classes)
    theirs = diffusers.UNet2DModel(
        sample_size=32,
        in_channels=3,
        out_channels=6,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D"),
        downsample_type="resnet",
        upsample_type="resnet",
        resnet_time_scale_shift="scale_shift",
        attention_head_dim=32,
        attn_norm_num_groups=32,
        norm_eps=1e-5,
        num_class_embeds=classes or None,
    ).eval()
    theirs.load_state_dict(as_diffusers(ours.state_dict(), order))
    x, told = noise(2, 3, 32, 32), torch.tensor([2, 7]) if classes else None
    with torch.no_grad():
        wanted = theirs(x, STEPS, class_labels=told).sample
        assert torch.allclose(ours(x, STEPS, told), wanted, atol=2e-5)


def as_diffusers(state, order):
    """The tensors of a network of two levels with one block each, by the names of diffusers."""
    blocks = {
        "input_blocks.1.0": "down_blocks.0.resnets.0",
        "input_blocks.2.0": "down_blocks.0.downsamplers.0",
        "input_blocks.3.0": "down_blocks.1.resnets.0",
        "middle_block.0": "mid_block.resnets.0",
        "middle_block.2": "mid_block.resnets.1",
        "output_blocks.0.0": "up_blocks.0.resnets.0",
        "output_blocks.1.0": "up_blocks.0.resnets.1",
        "output_blocks.1.2": "up_blocks.0.upsamplers.0",
        "output_blocks.2.0": "up_blocks.1.resnets.0",
        "output_blocks.3.0": "up_blocks.1.resnets.1",
    }
    attentions = {
        "input_blocks.1.1": "down_blocks.0.attentions.0",
        "input_blocks.3.1": "down_blocks.1.attentions.0",
        "middle_block.1": "mid_block.attentions.0",
        "output_blocks.0.1": "up_blocks.0.attentions.0",
        "output_blocks.1.1": "up_blocks.0.attentions.1",
        "output_blocks.2.1": "up_blocks.1.attentions.0",
        "output_blocks.3.1": "up_blocks.1.attentions.1",
    }
    layers = {
        "in_layers.0": "norm1",
        "in_layers.2": "conv1",
        "emb_layers.1": "time_emb_proj",
        "out_layers.0": "norm2",
        "out_layers.3": "conv2",
        "skip_connection": "conv_shortcut",
    }
    ends = {
        "time_embed.0": "time_embedding.linear_1",
        "time_embed.2": "time_embedding.linear_2",
        "label_emb": "class_embedding",
        "input_blocks.0.0": "conv_in",
        "out.0": "conv_norm_out",
        "out.2": "conv_out",
    }
    result = {}
    for name, tensor in state.items():
        place, kind = name.rsplit(".", 1)
        if place in ends:
            result[f"{ends[place]}.{kind}"] = tensor
            continue
        block = next(b for b in (*blocks, *attentions) if place.startswith(b + "."))
        layer = place.removeprefix(block + ".")
        if block in blocks:
            result[f"{blocks[block]}.{layers[layer]}.{kind}"] = tensor
        elif layer == "norm":
            result[f"{attentions[block]}.group_norm.{kind}"] = tensor
        elif layer == "proj_out":
            result[f"{attentions[block]}.to_out.0.{kind}"] = tensor.reshape(
                tensor.shape[:2][: tensor.dim()]
            )
        else:
            heads = tensor.shape[0] // 3 // 32
            rows = tensor.reshape(heads, 3, 32, -1).transpose(0, 1) if order == "legacy" else tensor
            parts = rows.reshape(3, tensor.shape[0] // 3, -1)
            for letter, part in zip("qkv", parts, strict=True):
                flat = part if kind == "weight" else part[:, 0]
                result[f"{attentions[block]}.to_{letter}.{kind}"] = flat
    return result


@pytest.mark.parametrize(
    ("network", "size", "more", "first", "mean"),
    [
        (
            lambda: adm(classes=10), 32, {"classes": torch.tensor([2, 7])},
            (0.071542, -0.496796, 0.060222, 0.251233), 0.437453,
        ),
        (
            lambda: adm(ADMClassifier, size=16, attention=(16, 8), outputs=10), 16, {},
            (0.089537, 0.02628, 0.087373, 0.039164), 0.068899,
        ),
        (
            lambda: adm(channels=6, attention=(16,)), 32, {"small": noise(2, 3, 8, 8)},
            (0.152861, 0.246617, 0.392552, 0.498594), 0.379942,
        ),
    ],
    ids=["model", "classifier", "upsampler"],
)  # fmt: skip
def test_it_says_what_the_published_code_says(network, size, more, first, mean):
    """Golden: guided-diffusion's own networks with these tensors."""
    with torch.no_grad():
        out = network()(noise(2, 3, size, size), STEPS, **more)
    assert out.flatten()[:4].tolist() == pytest.approx(first, abs=2e-5)
    assert out.abs().mean().item() == pytest.approx(mean, abs=2e-5)


def test_sizes_that_do_not_fit_are_refused():
    network = adm(multipliers=(1, 2, 2))
    with pytest.raises(ShapeError, match="multiples of 4"):
        network(noise(1, 3, 34, 32), STEPS[:1])
    assert network(noise(1, 3, 24, 40), STEPS[:1]).shape == (1, 6, 24, 40)
    with pytest.raises(ShapeError, match="sees 32 pixels"):
        adm(ADMClassifier, outputs=10)(noise(1, 3, 16, 16), STEPS[:1])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"heads": 7}, "7 heads: 32 channels"),
        ({"head_width": 48}, "heads of 48 channels"),
        ({"multipliers": (1, 1.5)}, "48 channels: must be a multiple of 32"),
    ],
)
def test_a_wrong_number_of_heads_is_one_line(changes, problem):
    with pytest.raises(ValueError, match=problem):
        ADMConfig(**(SIZES | changes))


def test_classes_are_asked_for():
    with pytest.raises(InputError, match="one of 10 classes"):
        adm(classes=10)(noise(1, 3, 32, 32), STEPS[:1])


def test_it_learns_nothing_before_it_is_trained():
    assert not ADM(ADMConfig(**SIZES, head_width=32))(noise(1, 3, 32, 32), STEPS[:1]).any()
