"""Does the detector find the bundled model's own films, were there neither mark nor signature?
``python benchmarks/own_films.py``
"""

import tempfile
from pathlib import Path

import numpy as np

import praxino
from praxino.data.diorama import compose, render
from praxino.data.diorama.caption import caption
from praxino.detection import fusion
from praxino.detection.detector import Examination, bundled_detector, examine
from praxino.detection.fusion import sigmoid


def own_films(count: int = 24) -> str:
    """Films of the bundled model against true renderings of the diorama, by the detector
    as it is shipped.
    """
    model = praxino.load("diorama")
    rows = {}
    with tempfile.TemporaryDirectory() as home:
        for made in (False, True):
            chances = []
            for index in range(count):
                path = Path(home) / f"{made}{index}.mp4"
                scene = compose(1234, index, frames=17, part="all")
                sentence = caption(scene, 1234, index).sentence
                film = (
                    model.generate(sentence, seed=index)
                    if made
                    else praxino.Video(render(scene, 64, 64), 8.0)
                )
                film.save(path)
                chances.append(examine(path))
            rows[made] = chances
    chance = {made: [_chance(each) for each in of] for made, of in rows.items()}
    auc = np.mean([[a > b for b in chance[False]] for a in chance[True]])
    means = {made: float(np.mean(each)) for made, each in chance.items()}
    return (
        f"{count} films, {count} renderings, 64x64 (too small for a verdict): AUC {auc:.2f}, mean "
        f"answer "
        f"{means[True]:.2f} and {means[False]:.2f}"
    )


def _chance(of: Examination) -> float:
    """What the fusion says where the report says nothing, since the film is too small."""
    fitted = bundled_detector().small
    rows = np.array([[fusion.row(each)[name] for name in fitted.names] for each in of.evidence])
    return float(sigmoid(fitted.logits(rows.mean(0, keepdims=True)))[0])


if __name__ == "__main__":
    print(own_films())
