"""Models of the Wan family in their published layouts.

`family` reads the folder of a repository, `single_files` the files that ComfyUI keeps, `components`
one network of either, `names` translates those of their tensors.
"""
