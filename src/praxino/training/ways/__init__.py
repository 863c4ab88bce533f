"""Six ways to make pictures from sentences, on one world: the history of the field, side by side.

`pictures` is the stage that all of them share, and `stills` what they learn from. `gan` (of 2025
and of 2018), `vae`, `tokens` (a tokenizer and a prior), `pixels` (the U-Net of 2021) and `latents`
(a U-Net, a transformer) are the ways, and `recipes` their runs.
"""
