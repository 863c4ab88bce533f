"""The command line: a verb a file.

`generate`, `live`, `edits` (eight verbs), `film` (and takes), `memory`, `layout`, `recaption`,
`noise`, `curate`, `train`, `cost`, `evaluate`, `compare`, `export`, `plan`, `detect`, `verify`,
`stamp`, `inspect`, `doctor`, `serve`, `keys`, `worker` and `bot` are verbs. `app` knows them all,
`pictures` is what `generate` does with models of 2021, `evaluate_identity` holds the suites of
individuals, `references` what ``--reference`` says, `options` what several verbs share, `batch`
what verbs do that take many files, `terminal` the progress bar and how errors are said.
"""
