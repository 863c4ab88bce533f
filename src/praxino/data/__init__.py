"""What networks learn from.

`diorama` is the procedural world, a room of its own; `curation`, another one, makes clips of
footage; `latents` are its clips, encoded once,
`latent_pairs` small and large ones of a refiner;
`clips` are those of a dataset, sorted by `buckets` in an `order` that is a function;
`real_clips` a folder of footage, `degrade` what the internet does to it (by the names
of `conditions`); `pixels` converts, `layout_picture` draws layouts.
"""
