"""Models in files.

`checkpoint` (one network's folder), `bundle` (a model's), `compact` (a model in few files), `lazy`
(networks loaded when used), `files` (tensors of any published form), `lora`, `quantize` (eight
bits), `hub` (downloads).
"""
