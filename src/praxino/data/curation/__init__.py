"""Footage becomes clips to learn from.

`sources` finds films, `measures` scores their `shots` with `hashes` that tell them again, `decide`
applies rules, `write` cuts clips, `captions` has them described, `report` shows what became of all.
`units` does the work, here or on a cluster; `curate` puts it together.
"""
