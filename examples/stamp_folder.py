"""A folder into which another program writes, such as ``ComfyUI/output``, is watched: what comes in
is marked and signed. Here a picture comes in after a second.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import praxino

output, stamped = Path("output"), Path("stamped")
output.mkdir(exist_ok=True)
command = ["stamp", "--watch", output, "-o", stamped, "--model", "SDXL", "--by", "Acme Studios"]
watcher = subprocess.Popen([sys.executable, "-m", "praxino", *command])
time.sleep(1)
noise = np.random.default_rng(0).normal(128, 40, (64, 64, 3)).clip(0, 255).astype(np.uint8)
Image.fromarray(noise).resize((512, 512), Image.Resampling.BICUBIC).save(output / "0001.png")
while not (stamped / "0001.png").exists():
    time.sleep(0.2)
watcher.terminate()
watcher.wait()
print("\n".join(praxino.verify(stamped / "0001.png").sentences))
