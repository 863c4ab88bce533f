"""A model goes on with clips of one's own: in full, or by a LoRA that others load."""

import copy
import json

import numpy as np
import pytest
import torch

import praxino
from praxino.data.buckets import Bucket
from praxino.data.clips import ClipDataset
from praxino.errors import InputError
from praxino.models.vae import VAE
from praxino.provenance.policy import Provenance
from praxino.recipes import recipe
from praxino.storage.wan.single_files import PartFiles
from praxino.storage.weights import bundle, checkpoint, lora
from praxino.training.loop import train
from praxino.training.sources import Sources, Workplace
from praxino.training.stages import build, encoder
from support import tiny_wan
from support.footage import textured, write

PLAIN = Provenance(watermark=False, credentials=False)


@pytest.fixture(scope="module", name="dataset")
def _dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    for number in range(12):
        write(folder / f"{number}.mp4", textured(9, 40, 48, seed=number))
        (folder / f"{number}.txt").write_text(
            f"a quokka glides {'left' if number % 2 else 'right'}"
        )
    write(folder / "wide.mp4", textured(5, 32, 70))
    write(folder / "short.mp4", textured(2, 40, 48))
    write(folder / "small.mp4", textured(9, 20, 20))
    return folder


def stage_of(dataset, model, cache, *settings):
    words = [f"stage.dataset={dataset}", "stage.batch=4", "stage.held_out=0.3", *settings]
    return build(recipe("finetune", words).stage, Sources(init=model), Workplace(cache=cache))


def test_clips_are_sorted_and_encoded_once(dataset, tiny_model, tmp_path, monkeypatch):
    stage = stage_of(dataset, tiny_model, tmp_path)
    data = stage.corpus.data
    by_name = dict(zip([clip.name for clip in data.clips], stage.corpus.bucket, strict=True))
    assert by_name["0.mp4"] == by_name["wide.mp4"] == Bucket(5, 32, 32)
    assert by_name["short.mp4"] == Bucket(1, 32, 32)
    assert by_name["small.mp4"] is None
    first = stage.batch(0)
    assert first.latents.shape[1:] in [(16, 2, 4, 4), (16, 1, 4, 4)]
    assert torch.equal(first.latents, stage.batch(0).latents)
    held = {int(n) for own in stage.corpus.aside.members for n in own}
    trained = {int(n) for own in stage.corpus.batches.members for n in own}
    assert held
    assert not held & trained
    monkeypatch.setattr(type(data), "read", None)
    again = stage_of(dataset, tiny_model, tmp_path)
    assert torch.equal(again.batch(0).latents, first.latents)


def test_other_buckets_have_latents_of_their_own(dataset, tiny_model, tmp_path):
    tables = [f'stage.buckets={{"frames":{frames},"areas":[32],"widest":1.0,"tokens":64}}'
              for frames in ("[1,5]", "[1,5,9]")]  # fmt: skip
    first, second = (stage_of(dataset, tiny_model, tmp_path / "one", table) for table in tables)
    alone = stage_of(dataset, tiny_model, tmp_path / "two", tables[1])
    for one in alone.corpus.batches.buckets:
        own = alone.corpus.batches.members[alone.corpus.batches.buckets.index(one)].tolist()
        assert torch.equal(second.corpus.latents(one, own), alone.corpus.latents(one, own))
    assert first.corpus.bucket != second.corpus.bucket


def test_a_clip_that_ends_early_holds_its_last_frame(dataset, caplog):
    data = ClipDataset(dataset)
    number = next(n for n, clip in enumerate(data.clips) if clip.name == "short.mp4")
    film = data.read(number, Bucket(5, 32, 32))
    assert film.shape == (5, 32, 32, 3)
    assert (film[2:] == film[1]).all()
    assert "3 frames short" in caplog.text


def test_all_weights_learn_and_new_words_too(dataset, tiny_model, tmp_path):
    stage = stage_of(dataset, tiny_model, tmp_path)
    assert "quokka" in stage.text.ids
    config = recipe("finetune", ["loop.steps=3", "loop.sample_every=0"])
    metrics = [r.metrics for r in train(stage, config.loop, config.optimizer, tmp_path / "run")]
    assert "held out" in metrics[0]
    made = bundle.read(tmp_path / "run" / "final")
    assert "quokka" in made.text.ids
    before = bundle.read(tiny_model)
    assert not torch.equal(made.dit.head.weight, before.dit.head.weight)
    film = praxino.load(tmp_path / "run" / "final", device="cpu").generate("a quokka", PLAIN)
    assert film.frames.shape == (5, 32, 32, 3)
    assert stage.samples().shape[2] == 3
    assert stage.dearest_step() > sum(p.nbytes for p in stage.dit.parameters())


@pytest.mark.parametrize("dialect", ["comfyui", "diffusers", "kohya"])
def test_a_lora_changes_films_in_every_dialect(dataset, tiny_model, tmp_path, dialect):
    stage = stage_of(dataset, tiny_model, tmp_path, "stage.lora=3", f"stage.dialect={dialect}")
    with pytest.raises(InputError, match="changes nothing"):
        stage.save(tmp_path / "none")
    config = recipe("finetune", ["loop.steps=3", "optimizer.matrices=adamw", "loop.sample_every=0"])
    list(train(stage, config.loop, config.optimizer, tmp_path / "run"))
    file = tmp_path / "run" / "final" / "lora.safetensors"
    model = praxino.load(tiny_model, device="cpu")
    plain, changed = (
        model.generate("a dog", PLAIN, loras=loras, seed=3).frames
        for loras in (None, [f"{file}:10"])
    )
    assert not np.array_equal(plain, changed)
    adapted = lora.adapted(model.model, [lora.LoRASpec(file)]).dit.load(torch.float32)
    stage.adapter.load_state_dict(
        {name: torch.zeros_like(one) for name, one in stage.adapter.state_dict().items()}
    )
    x, t, text = torch.randn(1, 16, 2, 4, 4), torch.rand(1, 1), torch.randn(1, 3, 16)
    with torch.no_grad():
        assert not torch.equal(adapted(x, t, text), stage.dit(x, t, text))


def test_a_file_does_what_the_hooks_did(dataset, tiny_model, tmp_path):
    stage = stage_of(dataset, tiny_model, tmp_path, "stage.lora=2")
    for up in stage.adapter.up:
        torch.nn.init.normal_(up, std=0.1)
    stage.save(tmp_path)
    model = praxino.load(tiny_model, device="cpu").model
    adapted = lora.adapted(model, [lora.LoRASpec(tmp_path / "lora.safetensors")])
    x, t, text = torch.randn(2, 16, 2, 4, 4), torch.rand(2, 1), torch.randn(2, 3, 16)
    with torch.no_grad():
        torch.testing.assert_close(
            adapted.dit.load(torch.float32)(x, t, text), stage.dit(x, t, text)
        )


def test_a_wan_model_is_trained_by_its_captions_tokens(dataset, wan_folder, tmp_path):
    model = wan_folder("t2v")
    shapes = '{"frames":[1,5],"areas":[32],"widest":1.0,"tokens":64}'
    words = ("stage.lora=2", f"stage.buckets={shapes}")
    stage = stage_of(dataset, model, tmp_path / "cache", *words)
    loss, _ = stage.loss(stage.batch(1), torch.Generator().manual_seed(0))
    loss.backward()
    assert any(up.grad is not None and up.grad.any() for up in stage.adapter.up)
    assert next((tmp_path / "cache").glob("captions-*"))


def test_each_of_two_experts_is_trained_at_its_own_times(dataset, wan_folder, tmp_path):
    model = wan_folder("t2v-a14b")
    shapes = '{"frames":[1,5],"areas":[32],"widest":1.0,"tokens":64}'
    changed = {}
    for expert, low, high in (("high", 0.9, 1.0), ("low", 0.0, 0.9)):
        words = ("stage.lora=2", f"stage.buckets={shapes}", f"stage.expert={expert}")
        stage = stage_of(dataset, model, tmp_path / "cache", *words)
        _, t = stage._errors(stage.batch(0), torch.Generator().manual_seed(0))
        assert low <= float(t.min()) <= float(t.max()) <= high
        for up in stage.adapter.up:
            torch.nn.init.normal_(up, std=0.1)
        stage.save(tmp_path / expert)
        changed[expert] = lora.LoRASpec(tmp_path / expert / "lora.safetensors", 1.0, expert)
    pipeline = praxino.load(model, device="cpu")
    both = lora.adapted(pipeline.model, [*changed.values()])
    only = lora.adapted(pipeline.model, [changed["low"]])
    x, t, text = torch.randn(1, 4, 2, 4, 4), torch.rand(1, 1), torch.randn(1, 6, 32)

    def out(model, part):
        with torch.no_grad():
            return getattr(model, part).load(torch.float32)(x, t, text)

    assert torch.equal(out(only, "dit"), out(pipeline.model, "dit"))
    assert torch.equal(out(only, "low"), out(both, "low"))
    assert not torch.equal(out(both, "dit"), out(only, "dit"))


def test_a_wan_model_trained_in_full_is_a_file_that_loads(dataset, wan_folder, tmp_path):
    model = wan_folder("t2v")
    shapes = '{"frames":[1,5],"areas":[32],"widest":1.0,"tokens":64}'
    stage = stage_of(dataset, model, tmp_path / "cache", f"stage.buckets={shapes}")
    config = recipe("finetune", ["loop.steps=2", "loop.sample_every=0"])
    list(train(stage, config.loop, config.optimizer, tmp_path / "run"))
    file = tmp_path / "run" / "final" / "model.safetensors"
    heads = {"num_heads": stage.dit.config.heads}  # of 128 numbers each they need not be told
    file.with_name("config.json").write_text(json.dumps(heads))
    files = PartFiles(vae=model / "vae", text=model / "text_encoder", tokenizer=model / "tokenizer")
    made = praxino.load(file, device="cpu", files=files).model.dit.load(torch.float32)
    before = praxino.load(model, device="cpu").model.dit.load(torch.float32)
    assert not torch.equal(made.head.weight, before.head.weight)
    for own, other in zip(made.parameters(), stage.dit.parameters(), strict=True):
        torch.testing.assert_close(own.float(), other, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dialect", ["comfyui", "diffusers", "kohya"])
def test_diffusers_reads_what_was_trained(dataset, wan_folder, tmp_path, dialect):
    shapes = '{"frames":[1,5],"areas":[32],"widest":1.0,"tokens":64}'
    words = ("stage.lora=2", f"stage.buckets={shapes}", f"stage.dialect={dialect}")
    stage = stage_of(dataset, wan_folder("t2v"), tmp_path / "cache", *words)
    for up in stage.adapter.up:
        torch.nn.init.normal_(up, std=0.1)
    stage.save(tmp_path)
    pipeline = copy.deepcopy(tiny_wan.pipeline("t2v"))
    x, text = torch.randn(1, 4, 2, 4, 4), torch.randn(1, 6, 32)
    times = torch.tensor([300.0])
    with torch.no_grad():
        before = pipeline.transformer(x, times, text).sample
        pipeline.load_lora_weights(tmp_path, weight_name="lora.safetensors")
        after = pipeline.transformer(x, times, text).sample
        ours = stage.dit(x, times[:, None] / 1000, text)
    assert (after - before).abs().max() > 1e-3
    torch.testing.assert_close(after, ours, atol=2e-4, rtol=2e-3)


def test_a_model_goes_on_with_another_autoencoder(dataset, tiny_model, tmp_path):
    vae = bundle.read_vae(tiny_model)
    with torch.no_grad():
        vae.quant.weight.mul_(1.1)
    checkpoint.save(tmp_path / "other" / "vae", vae.config, vae.state_dict())
    config = recipe("finetune", [f"stage.dataset={dataset}", "stage.batch=4"]).stage
    sources = Sources(init=tiny_model, vae=tmp_path / "other")
    stage = build(config, sources, Workplace(cache=tmp_path))
    assert encoder(config, sources) == bundle.encoder_digest(vae)
    assert encoder(config, Sources(init=tiny_model)) is None
    stage.save(tmp_path / "made")
    assert torch.equal(bundle.read_vae(tmp_path / "made").quant.weight, vae.quant.weight)
    narrow = vae.config.model_copy(update={"latent_channels": 4, "mean": (), "std": ()})
    checkpoint.save(tmp_path / "narrow" / "vae", narrow, VAE(narrow).state_dict())
    sources = Sources(init=tiny_model, vae=tmp_path / "narrow")
    with pytest.raises(InputError, match="latent_channels are 4, not the model's 16"):
        build(config, sources, Workplace(cache=tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["stage.dataset="], "no dataset"),
        (["stage.expert=high"], "has no experts"),
        (['stage.buckets={"frames":[4],"areas":[32]}'], "4"),
        (['stage.buckets={"frames":[5],"areas":[512]}'], "no clip is as large"),
    ],
)
def test_what_does_not_fit_is_refused(dataset, tiny_model, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        stage_of(dataset, tiny_model, tmp_path, *settings)


def test_an_autoencoder_goes_on_with_a_dataset(dataset, tiny_model, tmp_path):
    bucket = "[[5,32,2,1],[1,32,4,1]]"
    words = [
        f"stage.dataset={dataset}",
        "stage.frames=5",
        "stage.size=32",
        f"stage.buckets={bucket}",
    ]
    tiny = bundle.read_vae(tiny_model).config
    config = recipe("vae", words).stage.model_copy(update={"vae": tiny})
    stage = build(config, Sources(init=tiny_model), Workplace(cache=tmp_path))
    assert stage.batch(0).shape == (2, 3, 5, 32, 32)
    assert stage.batch(1).shape == (4, 3, 1, 32, 32)
    assert torch.equal(stage.batch(3), stage.batch(3))
    stage.loss(stage.batch(0), torch.Generator().manual_seed(0))[0].backward()
    assert stage.samples().shape[2] == 3
    long = [*words[:1], "stage.frames=33", "stage.buckets=[[33,64,1,1]]"]
    with pytest.raises(InputError, match="no clip of 33 frames"):
        build(recipe("vae", long).stage, Sources(init=tiny_model), Workplace(cache=tmp_path))
