"""Content Credentials (C2PA): signed statements in the file.

`manifest` is what is stated, `identity` who signs and who is trusted, `sign` and `read` do it,
`status` says what each status code means, `sidecar` is the file beside one that has no room for
statements, `container` what the library needs to know of a file.
"""
