"""Files that are no weights, or weights in another form, are called by their name."""

import pytest

from praxino.errors import CheckpointError
from praxino.storage.weights.files import open_weights

FILES = {
    "zip": (b"PK\3\4" + bytes(64), "a zip archive, as PyTorch writes it"),
    "pickle": (b"\x80\x02}q" + bytes(64), "a pickle"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(64), "a 7z archive"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "page": (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
    "error": (b'{"error":"not found"}' + bytes(20), "a server's error"),
    "ONNX": (b"\x08\x07\x12\x07pytorch" + bytes(64), "an ONNX model"),
    "TensorFlow": (b"\x0a\x1a\x12\x04node" + bytes(64), "a TensorFlow graph"),
    "text": (b"\nInvalid username or password.", "a text file"),
    "Lite": (b"\x1c\0\0\0TFL3" + bytes(64), "a TensorFlow Lite model"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_they_are_named_with_the_way_on(tmp_path, kind, ending):
    data, name = FILES[kind]
    path = tmp_path / f"model.{ending}"
    path.write_bytes(data)
    if ending == "pth" and kind in ("zip", "pickle"):
        name = "is damaged|more than tensors"
    with pytest.raises(CheckpointError, match=name) as problem:
        open_weights(path)
    assert "hint: " in str(problem.value)


def test_a_damaged_file_of_its_own_kind_is_damaged(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((80).to_bytes(8, "little") + b'{"a": 1')
    with pytest.raises(CheckpointError, match="is damaged"):
        open_weights(path)
