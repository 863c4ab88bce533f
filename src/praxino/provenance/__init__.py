"""Every output says that a machine made it, in two ways.

`policy` marks and signs what the pipeline makes; `watermark` and `c2pa` are rooms of their own;
`keys` are this installation's; `verify` reads both.
"""
