"""The judge: a film, its round trip and the truth, scored side by side, with pictures of each."""

import functools
from dataclasses import replace

import numpy as np
from PIL import Image

from praxino.data.diorama import render
from praxino.evaluation.judge import Judge
from praxino.evaluation.readers import READER
from praxino.evaluation.suite import cases
from praxino.models.reader import Reader
from praxino.storage.media.video import Video
from praxino.storage.weights.bundle import BUNDLED


def truthful(case):
    """A maker whose film of the case's prompt is the true one."""
    scene = case.scene(17, 1.0, 8.0)

    def make(prompt, seed, best_of):
        assert prompt == case.prompt(scene)
        return Video(render(scene, 64, 64), 8.0)

    return make


def test_a_true_film_scores_as_the_truth(tiny_reader, tmp_path):
    case = cases("diorama", 1)[0]
    row = Judge(functools.partial(truthful, case), BUNDLED / "diorama", tiny_reader, tmp_path)()(
        case
    )
    assert row["scores"]["model"] == row["scores"]["truth"]
    assert row["features"]["model"] == row["features"]["truth"]
    assert len(row["features"]["autoencoder"]) == len(row["features"]["others"]) == 4 * 8
    assert row["features"]["others"] != row["features"]["truth"]
    assert row["seconds"] > 0
    for path in row["strips"].values():
        assert np.asarray(Image.open(tmp_path / path)).shape == (64, 8 * 64, 3)
    again = replace(case, seed=1, other=case.other + 1)
    row = Judge(functools.partial(truthful, case), BUNDLED / "diorama", tiny_reader, tmp_path)()(
        again
    )
    assert set(row["scores"]) == {"model"}  # the other two are the first seed's
    assert set(row["features"]) == {"model", "others"}


def test_larger_films_are_reduced_to_what_the_reader_knows(tiny_reader, tmp_path, monkeypatch):
    seen = []
    read = Reader.read
    monkeypatch.setattr(
        Reader, "read", lambda self, clip: seen.append(clip.shape) or read(self, clip)
    )
    folder = tmp_path / "wide"
    config = (BUNDLED / "diorama" / "config.json").read_text().replace('"width":64', '"width":128')
    config = config.replace('"width": 64', '"width": 128')
    folder.mkdir()
    (folder / "config.json").write_text(config)
    (folder / "vae").symlink_to(BUNDLED / "diorama" / "vae")
    case = cases("diorama", 1)[0]

    def maker():
        return lambda prompt, seed, best_of: Video(render(case.scene(17, 2.0, 8.0), 64, 128), 8.0)

    Judge(maker, folder, tiny_reader, tmp_path)()(case)
    assert set(seen) == {(1, 3, 17, 64, 128)}


def test_a_second_reader_and_the_best_of_several_are_sources_of_their_own(tiny_reader, tmp_path):
    case = cases("diorama", 1)[0]
    maker = functools.partial(truthful, case)
    row = Judge(
        maker, BUNDLED / "diorama", tiny_reader, tmp_path, second_reader=READER, best_of=3
    )()(case)
    sources = ["model", "autoencoder", "truth", "best of 3"]
    assert set(row["scores"]) == {*sources, *(f"{source}, 2nd" for source in sources)}
    assert (
        row["scores"]["model, 2nd"]
        == row["scores"]["truth, 2nd"]
        == row["scores"]["best of 3, 2nd"]
    )
    assert (
        row["scores"]["truth, 2nd"]["attributes"] > row["scores"]["truth"]["attributes"]
    )  # one of them is trained
