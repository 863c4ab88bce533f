"""The networks: one file each, plain and single-device."""
