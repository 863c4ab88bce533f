"""Models in few files: whole again as they were, and refused where a file is missing or damaged."""

import pytest
import torch

from praxino.errors import CheckpointError
from praxino.generation.loading import find_model
from praxino.storage.weights import bundle, compact


def test_a_model_is_packed_and_unpacked(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    compact.write_compact(tmp_path / "packed", tiny_model, torch.float32, max_bytes=2**18 + 60_000)
    files = sorted((tmp_path / "packed").iterdir())
    assert len(files) > 2
    assert all(path.stat().st_size < 2**18 + 60_000 for path in files)
    first, again = find_model(tmp_path / "packed"), find_model(tmp_path / "packed")
    assert first == again
    packed, whole = bundle.read(first), bundle.read(tiny_model)
    assert packed.config == whole.config
    for part in ("vae", "dit", "text"):
        theirs = getattr(whole, part).state_dict()
        assert all(
            torch.equal(tensor, theirs[name])
            for name, tensor in getattr(packed, part).state_dict().items()
        )


def test_missing_and_damaged_files_are_named(tiny_model, tmp_path):
    compact.write_compact(tmp_path / "packed", tiny_model, torch.float32, max_bytes=2**18 + 60_000)
    files = sorted((tmp_path / "packed").iterdir())
    last = files[-1].read_bytes()
    files[-1].unlink()
    with pytest.raises(CheckpointError, match=f"holds {len(files) - 1} of {len(files)} files"):
        compact.unpack(tmp_path / "packed", tmp_path / "out")
    files[-1].write_bytes(last[:-100])
    with pytest.raises(CheckpointError, match="is damaged"):
        compact.unpack(tmp_path / "packed", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(CheckpointError, match="no model at"):
        compact.write_compact(tmp_path / "none", tmp_path)
