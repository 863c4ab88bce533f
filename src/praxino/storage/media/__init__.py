"""Videos and pictures in files and in memory: probed, decoded frame by frame, encoded."""
