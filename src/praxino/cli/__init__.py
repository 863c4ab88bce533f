"""The command line: a verb a file, which holds its options and what it does.

`app` puts the verbs together, `options` are those that several verbs share, `terminal` is what is said beside the data
and how a verb fails, `batch` is what verbs do that take many files.
"""
