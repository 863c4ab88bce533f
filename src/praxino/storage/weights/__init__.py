"""Models in files.

`checkpoint` (one network's folder), `bundle` (a model's), `compact` (a model in few files), `lazy`
(networks loaded when used), `files` (tensors of any published form), `gguf_files` (those in blocks
of a few bits), `containers` (names what holds no tensors), `lora` (and `lora_names`, where its
tensors belong; `few_steps`, which make a student), `stand_in` (a branch for pictures), `quantize`
(eight bits), `hub` (downloads), `adm` (published checkpoints of 2021), `clip`.
"""
