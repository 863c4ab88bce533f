"""The only way to and from the disk.

`media` (videos and pictures), `weights` (models) and `wan` (its published folders) are rooms of
their own. `files` writes atomically, `objects` stores files by name, here or in a cloud.
"""
