"""Folders of the Wan family in their published layouts, and the names of their tensors."""
