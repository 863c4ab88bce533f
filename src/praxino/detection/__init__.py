"""Was this generated?

`view` brings any clip to one form. Families of evidence: `temporal`; `physics` with
`moving_objects`, `violations` and `lighting`; `frequency`; `latent`; `patches`. `evidence` is what
they return, `detector` collects it for a file, `fusion` adds it up, `sufficiency` says when there
is too little for a verdict, `calibration` how often answers were right, `weights` reads what was
fitted, `protocol` judges the whole. `decoder_grid` tells, beside the answer, of beats and grids.
`report` is the answer for one file, `batch` answers for many, `html`, `plots` and `tells` show it.
"""
