"""Where clips come from: the procedural diorama, clip datasets."""
