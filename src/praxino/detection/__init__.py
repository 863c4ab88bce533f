"""Was this generated?

`view` brings any clip to one form. Families of evidence: `temporal`; `physics` with `moving_objects` and `lighting`;
`frequency`; `latent`; `patches`. `evidence` is what they return, `families` lists them, `fusion` adds it up,
`calibration` says how often that is right and when there is too little to say, `weights` reads what was fitted,
`protocol` judges the whole. `report` answers for one file, `batch` for many, `html`, `plots` and `tells` show it.
"""
