"""What networks learn from.

`diorama` is the procedural world, a room of its own; `labels`, another one, makes it training data
for others, and `curation`, a third, clips of footage; `latents` are clips of the world, encoded
once, `latent_pairs` small and large ones of a refiner;
`clips` are those of a dataset, sorted by `buckets` in an `order` that is a function;
`real_clips` a folder of footage, `degrade` what the internet does to it (by the names
of `conditions`); `pixels` converts, `layout_picture` draws layouts.
"""
