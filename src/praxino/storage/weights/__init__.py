"""Models in files: checkpoints, bundles, LoRAs, eight-bit weights, downloads; loaded whole or when first used."""
