"""GGUF files, as llama.cpp and ComfyUI write them, hold the same tensors as others."""

import struct

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind

from praxino.errors import CheckpointError, InputError
from praxino.storage.weights.files import open_weights


def write(path, tensors):
    """Tensors of (array, kind) by name."""
    writer = gguf.GGUFWriter(str(path), "wan")
    for name, (array, kind) in tensors.items():
        data = gguf.quants.quantize(array, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


NUMBERS = np.random.default_rng(0).standard_normal((6, 64)).astype(np.float32)


@pytest.fixture(name="path")
def _path(tmp_path):
    kinds = (Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q5_0, Kind.Q4_0)
    tensors = {kind.name: (NUMBERS, kind) for kind in kinds}
    tensors["patches"] = (NUMBERS.reshape(6, 4, 2, 4, 2), Kind.F16)
    return write(tmp_path / "a.gguf", tensors)


@pytest.mark.parametrize(
    ("kind", "error", "dtype"),
    [
        ("F32", 0, torch.float32),
        ("F16", 1e-3, torch.float16),
        ("BF16", 1e-2, torch.bfloat16),
        ("Q8_0", 0.02, torch.float32),
        ("Q5_0", 0.2, torch.float32),
        ("Q4_0", 0.4, torch.float32),
    ],
)
def test_numbers_come_back(path, kind, error, dtype):
    weights = open_weights(path)
    tensor = weights[kind]
    assert tensor.dtype == dtype
    assert weights.entries[kind].shape == tuple(tensor.shape) == (6, 64)
    assert (tensor.float() - torch.from_numpy(NUMBERS)).abs().max() <= error


def test_tensors_of_five_dimensions_keep_their_order(path):
    expected = torch.from_numpy(NUMBERS.astype(np.float16)).reshape(6, 4, 2, 4, 2)
    assert torch.equal(open_weights(path)["patches"], expected)


def test_blocks_of_k_quants_are_widened(tmp_path):
    """The library can read them, not write them: one block is put together by hand."""
    block = np.zeros(144, np.uint8)  # of 256 numbers: two scales in float16, 12 bytes of scales
    block[:2] = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
    block[4:8] = 3  # scales of the first four runs of 32
    block[16:48] = 7  # the four low bits: the first 32 numbers
    writer = gguf.GGUFWriter(str(tmp_path / "k.gguf"), "wan")
    writer.add_tensor("k", block.reshape(1, 144), raw_dtype=Kind.Q4_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    weights = open_weights(tmp_path / "k.gguf")
    assert weights.entries["k"].shape == (1, 256)
    assert weights["k"][0, :32].unique().tolist() == [0.5 * 3 * 7]
    assert weights["k"][0, 32:].unique().tolist() == [0.0]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_a_file_cut_short_is_damaged(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: max(4, int(len(data) * share))])
    with pytest.raises(CheckpointError, match="is damaged"):
        open_weights(path)


def test_without_the_library_it_is_said_how_to_get_it(path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(InputError, match=r'pip install "praxino\[gguf\]"'):
        open_weights(path)


def test_a_dictionary_of_words_is_passed_over(tmp_path):
    """The library takes half a minute for it."""
    writer = gguf.GGUFWriter(str(tmp_path / "a.gguf"), "t5encoder")
    writer.add_token_list([b"word"] * 5000)
    writer.add_array("scores", [0.5] * 5000)
    writer.add_string("general.name", "umt5")
    writer.add_tensor("a", NUMBERS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert torch.equal(open_weights(tmp_path / "a.gguf")["a"], torch.from_numpy(NUMBERS))


def test_counts_that_cannot_be_are_refused(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**40, 1) + bytes(64))
    with pytest.raises(CheckpointError, match="is damaged"):
        open_weights(path)
    path.write_bytes(b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + bytes(64))  # the other byte order
    with pytest.raises(CheckpointError, match="is damaged"):
        open_weights(path)
