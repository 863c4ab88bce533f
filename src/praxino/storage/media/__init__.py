"""Videos and pictures.

`formats` is the table of what is read, `frames` probes a file and iterates over its frames, `video`
holds a whole one with its record and writes it, `codec` encodes in memory.
"""
