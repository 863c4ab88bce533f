"""The diorama as training data for others: films with labels that are exact.

`films` are films with their things; `coco`, `mot`, `yolo`, `shards` (WebDataset), `flow`, `points`
and `depth` write them in the formats of detectors, trackers and simulators, `motion` says where
pixels go, and `export` does it all.
"""
