"""How good are films: distances between sets of them, motion in one, and the diorama's own truth."""
