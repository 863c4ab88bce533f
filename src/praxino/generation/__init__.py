"""A prompt becomes a video.

`loading` finds a model, `model_card` says what it makes, `pipeline` carries out a request:
`caption` (longer sentences), `denoiser` (network, guidance, conditions; `student` where steps are
few), `conditioning` (given frames), `images` (given pictures), `entities` (what is called by name,
and `spoken` in sentences), `layout` (what is where), `offload` (networks on the device when they
are needed; `weight_streaming`, `compilation`), `progress` (what is said on the way), `finish`
(mark, signature, record), `enhance` (larger and faster films).
`stream` makes films that are longer than a window, `live` films without end; `turns` are their
sentences.
`editing` carries out a request that is made from `films`: `timeline` says what of them is given,
`edit_layout` where things go then; `restyle` goes along their motion, `outlines` follow things.
`memory` keeps entities, and `growth` verifies what is added to them. `shots` makes films of many
shots, which are of `shot_orders`, and whose `takes` are kept. `plan` predicts memory and time,
`preview` sketches, `noising` shows the forward process, `inversion` runs backwards. `adm` draws
pictures with the networks of 2021, on the chains of `respaced`.
"""
