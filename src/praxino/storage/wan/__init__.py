"""Folders of the Wan family in their published layouts.

`family` reads a model, `components` its networks, `names` translates those of their tensors.
"""
