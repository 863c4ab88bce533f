"""A prompt becomes a video.

`loading` finds a model, `pipeline` carries out a request: `denoiser`
(network, guidance, conditions), `conditioning` (given frames), `layout` (what is where), `offload`
(weights on the device when they are needed). `plan` predicts memory and time, `preview` sketches,
`noising` shows the forward process, `inversion` runs backwards.
"""
