"""Models in files.

`checkpoint` (one network's folder), `bundle` (a model's), `compact` (a model in few files), `lazy`
(networks loaded when used), `files` (tensors of any published form; `containers` names what is
none), `lora` (and `lora_names`, where its tensors belong), `quantize` (eight bits), `hub`
(downloads).
"""
