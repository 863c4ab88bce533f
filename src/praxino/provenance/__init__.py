"""Every output says that a machine made it, in two ways.

`policy` marks and signs what the pipeline makes; `watermark` and `c2pa` are rooms of their own;
`stamp` does so for files of other programs; `keys` are this installation's; `verify` reads both.
"""
