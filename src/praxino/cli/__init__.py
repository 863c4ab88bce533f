"""The command line: a verb a file.

`generate`, `live`, `edits` (eight verbs), `film` (and takes), `memory`, `layout`, `recaption`,
`noise`, `curate`, `train`, `cost`, `evaluate`, `compare`, `plan`, `detect`, `verify`, `stamp`,
`inspect`, `doctor`, `serve`, `keys`, `worker` and `bot` are verbs. `app` knows them all,
`evaluate_identity` holds the suites of individuals, `options` what several verbs share, `batch`
what verbs do that take many files, `terminal` the progress bar and how errors are said.
"""
