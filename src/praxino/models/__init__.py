"""One network a file.

`dit` (with `attention`, `embeddings`, `tokens`, `pictures`, `context`), `vace` (it with a control
branch), `stand_in` (a branch for pictures), `unet`, `adm` (of 2021), `vae` (with `causal`,
`resample`, `winograd`, `tiling`), `tiny_decoder`, `text`, `umt5`, `clip`, `clip_vision`, `layout`
(with `raster`), `reader`, `latent_reader`, `forensic`, `identity`; `precision`: fast arithmetic.
"""
