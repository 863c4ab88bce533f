"""A film of another program is declared as generated: marked in its pixels, and signed."""

import numpy as np

import praxino
from praxino.provenance.stamp import stamp_frames

rng = np.random.default_rng(0)
waves = np.sin(np.linspace(0, 20, 192)[None, :] + np.linspace(0, 6, 24)[:, None])
frames = np.repeat(waves[:, None, :, None], 128, axis=1) * 60 + 128  # (T, H, W, 1)
frames = (frames + rng.normal(0, 8, (24, 128, 192, 3))).clip(0, 255).astype(np.uint8)

try:  # frames as a pipeline of diffusers returns them: from 0 to 1
    from diffusers.utils import export_to_video

    export_to_video(list(frames / 255.0), "film.mp4", fps=24)
except ImportError:
    praxino.Video(frames, 24.0).save("film.mp4")
stamp = praxino.stamp("film.mp4", "stamped.mp4", model="Wan 2.2", by="Acme Studios")
print(stamp.sentence)
print("\n".join(praxino.verify("stamped.mp4").sentences))

marked = stamp_frames(frames, model="Wan 2.2")  # for pipelines that write their own files
assert marked.shape == frames.shape
