"""Videos and pictures.

`formats` is the table of what is read, `folders` finds it, `frames` probes a file and iterates over
its frames (through `ffmpeg` or `pillow`, which tell of it in `info`; `iso` knows boxes), `scan`
looks at films as cheaply as can be, `video`
holds a whole one with its record and writes it, `fragments` one that goes on, `codec` encodes in
memory;
`transcode` (with `encoders`) and `pictures` write films and pictures anew with other pixels, and
all else as it was.
"""
