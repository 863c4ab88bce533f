"""The watermark in the pixels.

Signal: a faint pseudo-random pattern, the same tile over every frame, whose signs carry 48 bits and
a checksum (`carriers`, `channel_code`, `payload`, `embed`). Detection correlates frames with the
key's patterns: `detect` searches placements, sizes and turns of the tile and computes how probable
its best statistic is by chance, times all that were tried; `scan` chooses the stretches of a file
that are searched. `issued` remembers the messages of this installation; `noise` is the other mark,
in the noise a video is made of.
"""
