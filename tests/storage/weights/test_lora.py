"""LoRAs: the same changes from every dialect, folded in and gone again, and mistakes named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import CheckpointError, InputError
from praxino.models.dit import DiT, DiTConfig
from praxino.storage.wan import family
from praxino.storage.wan.names import foreign_names
from praxino.storage.weights import few_steps, lora
from praxino.storage.weights.lazy import LoadedModule

CONFIG = DiTConfig(
    channels=4,
    out_channels=4,
    width=48,
    heads=2,
    layers=2,
    ffn=64,
    text_width=16,
    time_features=32,
    image_width=8,
)
RANK, ALPHA = 3, 6.0


@pytest.fixture(name="network")
def _network():
    return DiT(CONFIG)


@pytest.fixture(name="pairs")
def _pairs(network):
    """A random pair for every matrix of the blocks."""
    return {
        name.removesuffix(".weight"): (torch.randn(RANK, p.shape[1]), torch.randn(p.shape[0], RANK))
        for name, p in network.named_parameters()
        if p.dim() == 2 and name.startswith("blocks.")
    }


def _file(tmp_path, network, pairs, dialect):
    """The pairs as a tool of that dialect writes them."""
    layout = "diffusers" if dialect == "diffusers" else "original"
    names = foreign_names(network, layout)
    tensors, metadata = {}, None
    for module, (down, up) in pairs.items():
        theirs = names[f"{module}.weight"].removesuffix(".weight")
        match dialect:
            case "diffusers":
                tensors |= {
                    f"transformer.{theirs}.lora_A.weight": down,
                    f"transformer.{theirs}.lora_B.weight": up,
                }
                metadata = {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": ALPHA})}
            case "ComfyUI":
                stem = f"diffusion_model.{theirs}"
                tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
                tensors[f"{stem}.alpha"] = torch.tensor(ALPHA)
            case "kohya":
                stem = "lora_unet_" + theirs.replace(".", "_")
                tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
                tensors[f"{stem}.alpha"] = torch.tensor(ALPHA)
            case "DiffSynth":  # folds alpha itself
                tensors |= {f"{theirs}.lora_A.default.weight": down}
                tensors |= {f"{theirs}.lora_B.default.weight": up * (ALPHA / RANK)}
    path = tmp_path / f"{dialect}.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path


def _changes(found):
    """What a file adds to tensors of zeros."""
    own = DiT(CONFIG).state_dict()
    return {
        name: found.change(name, torch.zeros_like(own[name]))
        for name in found.updates.keys() | found.differences.keys()
    }


@pytest.mark.parametrize("dialect", ["diffusers", "ComfyUI", "kohya", "DiffSynth"])
def test_every_dialect_means_the_same_change(tmp_path, network, pairs, dialect):
    found = lora.read_lora(_file(tmp_path, network, pairs, dialect), network)
    assert (found.dialect, found.rank) == (dialect, RANK)
    changes = _changes(found)
    assert changes.keys() == {f"{module}.weight" for module in pairs}
    for module, (down, up) in pairs.items():
        torch.testing.assert_close(changes[f"{module}.weight"], up @ down * (ALPHA / RANK))


@pytest.mark.parametrize("dialect", ["ComfyUI", "kohya"])
def test_names_are_those_that_the_reference_makes_of_them(tmp_path, pairs, network, dialect):
    """Their converter and ours agree on which matrix each pair belongs to."""
    utils = pytest.importorskip("diffusers.loaders.lora_conversion_utils")
    convert = {
        "ComfyUI": utils._convert_non_diffusers_wan_lora_to_diffusers,
        "kohya": utils._convert_musubi_wan_lora_to_diffusers,
    }[dialect]
    from safetensors.torch import load_file

    theirs = convert(load_file(_file(tmp_path, network, pairs, dialect)))
    names = foreign_names(network)
    ours = _changes(lora.read_lora(_file(tmp_path, network, pairs, dialect), network))
    for own, change in ours.items():
        stem = "transformer." + names[own].removesuffix(".weight")
        if ".add_" in stem:
            continue  # the reference gives these to the text's keys
        product = theirs[f"{stem}.lora_B.weight"] @ theirs[f"{stem}.lora_A.weight"]
        if ".reference." not in own and "cross" not in own:
            torch.testing.assert_close(change, product)


def test_folded_in_scaled_and_gone_again(tmp_path, network, pairs):
    part = LoadedModule(lambda: network)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = lora.read_lora(_file(tmp_path, network, pairs, "ComfyUI"), network)
    changed = lora.Adapted(part, ((found, 0.5), (found, 0.25))).load(torch.float32).state_dict()
    for name, tensor in before.items():
        down, up = pairs.get(name.removesuffix(".weight"), (torch.zeros(1, 1), torch.zeros(1, 1)))
        expected = (
            tensor + 0.75 * (ALPHA / RANK) * up @ down
            if name.removesuffix(".weight") in pairs
            else tensor
        )
        torch.testing.assert_close(changed[name], expected)
        assert torch.equal(network.state_dict()[name], tensor)  # the one without it is untouched
    low = lora.Adapted(part, ((found, 1.0),)).load(torch.bfloat16).state_dict()
    assert low["blocks.0.up.weight"].dtype == torch.bfloat16
    assert low["blocks.0.modulation"].dtype == torch.float32


def test_differences_of_whole_tensors(tmp_path, network):
    tensors = {
        "diffusion_model.blocks.0.norm3.diff": torch.full((48,), 0.5),
        "diffusion_model.blocks.0.ffn.0.diff_b": torch.full((64,), 0.25),
        "diffusion_model.blocks.1.diff_m": torch.full((1, 6, 48), 0.125),
        "diffusion_model.blocks.1.self_attn.q.diff_b": torch.full((48,), 2.0),
    }
    save_file(tensors, tmp_path / "x.safetensors")
    found = _changes(lora.read_lora(tmp_path / "x.safetensors", network))
    assert {name: float(change.mean()) for name, change in found.items()} == {
        "blocks.0.norm2.weight": 0.5,
        "blocks.0.up.bias": 0.25,
        "blocks.1.modulation": 0.125,
        "blocks.1.attention.q.bias": 2.0,
    }


def test_mistakes_are_named(tmp_path, network, pairs):
    stem = "diffusion_model.blocks.0.self_attn.q"
    down, up = pairs["blocks.0.attention.q"]
    strange = {f"diffusion_model.blocks.{n}.mlp.lora_A.weight": down.clone() for n in range(12)}
    for tensors, said in (
        (
            {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up, **strange},
            "12 of its 14 names have no place in this model: .* and 9 more",
        ),
        (
            {f"{stem}.lora_A.weight": down},
            "blocks.0.attention.q lacks one of its halves",
        ),
        (
            {
                f"{stem}.lora_A.weight": torch.zeros(3, 96),
                f"{stem}.lora_B.weight": torch.zeros(96, 3),
            },
            r"is for another model: blocks.0.attention.q.weight is "
            r"\(48, 48\) here, \(96, 96\) there",
        ),
    ):
        save_file(tensors, tmp_path / "bad.safetensors")
        with pytest.raises(CheckpointError, match=said):
            lora.read_lora(tmp_path / "bad.safetensors", network)
    with pytest.raises(CheckpointError, match="not there"):
        lora.read_lora(tmp_path / "none.safetensors", network)


DIALECTS = {
    "half underscores": lambda n: f"lora_unet_blocks_{n[1]}.{'.'.join(n[2:])}.lora_down.weight",
    "DiffSynth in a pipeline": lambda n: f"pipe.dit.{'.'.join(n)}.lora_A.default.weight",
    "an adapter of a name": lambda n: f"base_model.model.{'.'.join(n)}.lora_A.my_style.weight",
    "two underscores": lambda n: f"lora_unet__{'_'.join(n)}.lora_down.weight",
    "old diffusers": lambda n: f"transformer.{'.'.join(n)}_lora.down.weight",
    "bare": lambda n: f"{'.'.join(n)}.lora_A",
    "a root of its own": lambda n: f"my_great_net.{'.'.join(n)}.lora_down.weight",
    "ComfyUI": lambda n: f"diffusion_model.{'.'.join(n)}.lora_down.weight",
}


def _saved(path, network, pairs, name_of):
    """Pairs as somebody names the first half of each; alpha is folded in."""
    names, tensors = foreign_names(network, "original"), {}
    for module, (down, up) in pairs.items():
        name = name_of(names[f"{module}.weight"].removesuffix(".weight").split("."))
        tensors[name] = down.contiguous()
        other = name.replace("lora_A", "lora_B").replace("down", "up")
        tensors[other] = (up * (ALPHA / RANK)).contiguous()
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_mixture_means_the_same_change_to_the_bit(tmp_path, network, pairs, dialect):
    one, other = (
        _changes(lora.read_lora(_saved(tmp_path / f"{n}.st", network, pairs, names), network))
        for n, names in enumerate((DIALECTS[dialect], DIALECTS["ComfyUI"]))
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(change, other[name]) for name, change in one.items())


def test_a_root_of_another_network_is_no_place(tmp_path, network, pairs):
    path = _saved(
        tmp_path / "a.safetensors", network, pairs,
        lambda n: f"text_encoder.{'.'.join(n)}.lora_down.weight",
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="no place in this model") as problem:
        lora.read_lora(path, network)
    assert len(str(problem.value).replace(str(path), "")) < 300


def test_what_is_for_pictures_is_left_out_where_none_are_taken(tmp_path, network, pairs, caplog):
    path = _saved(tmp_path / "a.safetensors", network, pairs, DIALECTS["ComfyUI"])
    blind = DiT(CONFIG.model_copy(update={"image_width": 0}))
    with caplog.at_level("INFO"):
        found = lora.read_lora(path, blind)
    assert found.updates.keys() == {
        f"{module}.weight" for module in pairs if ".reference." not in module
    }
    assert "left out 8 of its names, which are for the tokens of pictures" in caplog.text


def _one(tmp_path, network, **parts):
    """The change of one matrix from its parts."""
    stem = "lycoris_blocks_0_self_attn_q"
    tensors = {f"{stem}.{name}": tensor.contiguous() for name, tensor in parts.items()}
    save_file(tensors, tmp_path / "a.safetensors")
    return lora.read_lora(tmp_path / "a.safetensors", network)


def test_the_relatives_of_loras(tmp_path, network):
    """LoKr, LoHa and DoRA, as LyCORIS and PEFT define them."""
    name = "blocks.0.attention.q.weight"
    weight, alpha = network.state_dict()[name], torch.tensor(2.0)
    w1, a, b = torch.randn(4, 4), torch.randn(12, 3), torch.randn(3, 12)
    whole = _one(tmp_path, network, lokr_w1=w1, lokr_w2=a @ b, alpha=alpha)
    torch.testing.assert_close(whole.change(name, weight), torch.kron(w1, a @ b))
    parts = _one(tmp_path, network, lokr_w1=w1, lokr_w2_a=a, lokr_w2_b=b, alpha=alpha)
    torch.testing.assert_close(parts.change(name, weight), torch.kron(w1, a @ b) * 2 / 3)
    assert parts.dialect == "LyCORIS"

    c, d, e, f = torch.randn(48, 3), torch.randn(3, 48), torch.randn(48, 3), torch.randn(3, 48)
    four = {"hada_w1_a": c, "hada_w1_b": d, "hada_w2_a": e, "hada_w2_b": f}
    product = _one(tmp_path, network, **four, alpha=alpha)
    torch.testing.assert_close(product.change(name, weight), (c @ d) * (e @ f) * 2 / 3)

    rows, columns = 1 + torch.rand(48, 1), 1 + torch.rand(1, 48)
    for magnitude, dim in ((rows, 1), (columns, 0)):
        pair = {"lora_down.weight": d, "lora_up.weight": c, "dora_scale": magnitude}
        change = _one(tmp_path, network, **pair).change(name, weight)
        lengths = (weight + change).norm(dim=dim, keepdim=True)
        torch.testing.assert_close(lengths, magnitude)


def test_a_bias_of_a_pair_is_scaled_as_the_pair(tmp_path, network):
    d, u = torch.randn(4, 48), torch.randn(48, 4)
    found = _one(
        tmp_path, network,
        **{"lora_A.weight": d, "lora_B.weight": u, "lora_B.bias": torch.ones(48)},
        alpha=torch.tensor(2.0),
    )  # fmt: skip
    name = "blocks.0.attention.q.bias"
    torch.testing.assert_close(found.change(name, torch.zeros(48)), torch.full((48,), 0.5))


BROKEN = {
    "two for one place": (
        {"lora_A.a.weight": (4, 48), "lora_A.b.weight": (4, 48)},
        "for one place",
    ),
    "an alpha alone": ({"alpha": ()}, "lacks its halves"),
    "halves of two ranks": (
        {"lora_A.weight": (4, 48), "lora_B.weight": (48, 5)},
        "of ranks 4 and 5",
    ),
    "several alphas": (
        {"lora_A.weight": (4, 48), "lora_B.weight": (48, 4), "alpha": (2,)},
        "blocks.0.attention.q: ",
    ),
    "a magnitude of another size": (
        {"lora_A.weight": (4, 48), "lora_B.weight": (48, 4), "dora_scale": (7, 1)},
        "magnitude has 7 numbers",
    ),
    "a factor that is none": ({"lokr_w1": (4,), "lokr_w2": (12, 12)}, "is no matrix"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_parts_that_do_not_fit_are_named(tmp_path, network, name):
    shapes, said = BROKEN[name]
    with pytest.raises(CheckpointError, match=said):
        _one(tmp_path, network, **{part: torch.ones(shape) for part, shape in shapes.items()})


@pytest.mark.parametrize(
    ("text", "file", "scale", "expert"),
    [
        ("a.safetensors", "a.safetensors", 1.0, ""),
        ("a.safetensors:0.8", "a.safetensors", 0.8, ""),
        ("low=b/c.safetensors:-1", "b/c.safetensors", -1.0, "low"),
        ("high=c", "c", 1.0, "high"),
        ("C:/x.safetensors", "C:/x.safetensors", 1.0, ""),
    ],
)
def test_what_is_asked_for(text, file, scale, expert):
    wanted = lora.LoRASpec.parsed(text)
    assert (str(wanted.file), wanted.scale, wanted.expert) == (file, scale, expert)
    with pytest.raises(InputError, match="scale"):
        lora.LoRASpec.parsed("a:11")


def _trained(folder, part, alpha, seed):
    """A network of the reference that PEFT has changed."""
    from diffusers import WanTransformer3DModel
    from peft import LoraConfig

    theirs = WanTransformer3DModel.from_pretrained(folder / part)
    targets = r".*(attn[12]\.(to_[qkv]|to_out\.0|add_k_proj)|ffn\.net\.2)"
    theirs.add_adapter(LoraConfig(r=4, lora_alpha=alpha, target_modules=targets))
    torch.manual_seed(seed)
    for name, parameter in theirs.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return theirs.eval().requires_grad_(False)


@pytest.mark.parametrize("kind", ["t2v", "i2v", "t2v-a14b"])
def test_parity_with_peft(tmp_path, wan_folder, kind):
    """What PEFT trains and the reference's pipeline saves changes our networks as it changes
    theirs.
    """
    peft = pytest.importorskip("peft")
    from diffusers import WanPipeline

    experts = (
        {"high": "transformer", "low": "transformer_2"}
        if kind == "t2v-a14b"
        else {"": "transformer"}
    )
    trained, wanted = [], []
    for number, (expert, part) in enumerate(experts.items()):
        trained.append(
            theirs := _trained(wan_folder(kind), part, alpha=12 - 6 * number, seed=number)
        )
        WanPipeline.save_lora_weights(
            tmp_path / part, peft.get_peft_model_state_dict(theirs),
            transformer_lora_adapter_metadata=theirs.peft_config["default"].to_dict(),
        )  # fmt: skip
        wanted.append(lora.LoRASpec(next((tmp_path / part).glob("*.safetensors")), expert=expert))
    changed = lora.adapted(family.read(wan_folder(kind), kind), wanted)
    for part, theirs in zip((changed.dit, changed.low), trained, strict=False):
        config = part.config
        x, text = torch.randn(1, config.channels, 3, 8, 8), torch.randn(1, 512, config.text_width)
        tokens = torch.randn(1, 5, config.image_width) if config.image_width else None
        eye = {"encoder_hidden_states_image": tokens} if tokens is not None else {}
        said = theirs(x, torch.tensor([500.0]), text, return_dict=False, **eye)[0]
        found, before = (
            network(x, torch.full((1, 1), 0.5), network.context(text, tokens))
            for network in (part.load(torch.float32), part.base.load(torch.float32))
        )
        torch.testing.assert_close(found, said, rtol=1e-3, atol=1e-4)
        assert (before - said).norm() > 0.05 * said.norm()


def test_a_scale_that_is_no_number(tmp_path):
    (tmp_path / "a.safetensors").touch()
    with pytest.raises(InputError, match="'x' is no scale"):
        lora.LoRASpec.parsed(f"{tmp_path / 'a.safetensors'}:x")


@pytest.mark.parametrize(
    ("stem", "metadata", "name", "settings"),
    [
        ("Wan2.2-T2V-A14B-4steps-lora-rank64-Seko-V1.1_high", None, "Lightning", (4, 5.0)),
        ("wan21_t2v_14B_lightx2v_cfg_step_distill_lora_rank32", None, "LightX2V", (4, 5.0)),
        ("Wan21_CausVid_14B_T2V_lora_rank32_v2", None, "CausVid", (8, 8.0)),
        ("mine", {"modelspec.title": "Wan 2.1 CausVid"}, "CausVid", (8, 8.0)),
    ],
)
def test_few_step_students_are_known(tmp_path, network, pairs, stem, metadata, name, settings):
    file = _file(tmp_path, network, pairs, "ComfyUI")
    tensors = load_file(file)
    path = tmp_path / f"{stem}.safetensors"
    save_file(tensors, path, metadata)
    family_of = few_steps.find(path)
    assert (family_of.name, family_of.steps, family_of.shift) == (name, *settings)
    assert few_steps.find(file) is None
    storm = tmp_path / "lightning_storm.safetensors"
    save_file(tensors, storm, {"description": "works well with lightx2v"})
    assert few_steps.find(storm) is None
    keys = {"diffusion_model.blocks.0.diff_m": torch.zeros(1, 6, 48)}
    keys["diffusion_model.blocks.0.self_attn.q.diff_b"] = torch.zeros(48)
    save_file(tensors | keys, tmp_path / "renamed.safetensors")
    assert few_steps.find(tmp_path / "renamed.safetensors").name == "LightX2V"


def test_a_student_makes_films_as_it_was_distilled(tmp_path, wan_folder, caplog):
    kind = "wan-2.2-i2v"
    model = family.read(wan_folder(kind), kind)
    path = tmp_path / "x_lightning_4steps.safetensors"
    save_file({"diffusion_model.blocks.0.self_attn.q.diff_b": torch.zeros(48)}, path)
    changed = lora.adapted(model, [lora.LoRASpec(path)])
    config = changed.config
    assert (config.steps, config.guidance, config.shift, config.sampler) == (4, 1.0, 5.0, "euler")
    assert config.guidance_low in (None, 1.0)
    assert "Lightning's: 4 steps, guidance 1, shift 5, euler, unless you say" in caplog.text
    assert lora.adapted(model, [lora.LoRASpec(path, 0.0)]).config == model.config
