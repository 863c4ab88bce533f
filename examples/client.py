"""The `openai` client, as it is, makes a film with a studio of one's own: `praxino serve`, then this."""

import os
import sys
import time

from openai import OpenAI

sentence = sys.argv[1] if len(sys.argv) > 1 else "a red ball bounces on the grass"
client = OpenAI(
    base_url=os.environ.get("PRAXINO_URL", "http://127.0.0.1:8400") + "/v1",
    api_key=os.environ.get("PRAXINO_API_KEY", "none is needed on one's own machine"),
)
more = {"seed": 3, "num_inference_steps": 12}  # what the client does not know goes through it, too
film = client.videos.create(prompt=sentence, seconds="2", size="64x64", extra_body=more)  # type: ignore[arg-type]
while film.status in ("queued", "in_progress"):
    time.sleep(0.2)
    film = client.videos.retrieve(film.id)
    print(f"{film.status} {film.progress}%")
if film.status != "completed":
    sys.exit(f"{film.status}: {film.error and film.error.message}")
client.videos.download_content(film.id).write_to_file("film.mp4")
client.videos.download_content(film.id, variant="spritesheet").write_to_file("frames.png")
print([each.id for each in client.videos.list(limit=3).data])
print(client.videos.delete(film.id).deleted)
