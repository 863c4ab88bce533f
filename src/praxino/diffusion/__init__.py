"""The two processes: noise put in along a path, and taken out by a sampler. No network is known here."""
