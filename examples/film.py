"""A sentence becomes a film, with a preview half-way."""

import sys

from PIL import Image

import praxino

sentence = sys.argv[1] if len(sys.argv) > 1 else "a red ball bounces on the grass"
model = praxino.load("diorama")
for state in model.stream(sentence, seed=3):
    if state.step == state.steps // 2:
        Image.fromarray(state.preview()[0]).save("preview.png")
assert state.video is not None
state.video.save("film.mp4")
