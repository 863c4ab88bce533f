"""Make a film on a server of one's own: `praxino serve`, then this."""

import os
import sys

from praxino.client import URL, Client

prompt = sys.argv[1] if len(sys.argv) > 1 else "a red ball bounces on the grass"
with Client(os.environ.get("PRAXINO_URL", URL)) as client:
    film = client.create(prompt, seconds=2, size="64x64", seed=3, num_inference_steps=12)
    for progress in client.watch(film, previews=True):
        print(f"{progress.status} {progress.percent}%")
    film = client.get(film)
    if not film.has_content:
        sys.exit(f"{film.status}: {film.error}")
    client.download(film, "film.mp4")
    client.download(film, "frames.png", "spritesheet")
    print(client.verify("film.mp4").report["outcome"])
    print([each.id for each in client.films(limit=3)])
    client.delete(film)
