"""The only way to and from the disk: checkpoints, foreign layouts, films and pictures."""
