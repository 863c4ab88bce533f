"""The HTTP API (FastAPI).

Routes: `videos`, `edits` (films made from films), `characters`, `captions` (longer sentences),
`films` (of many shots), `images`, `analyses` (detect and verify), `stamps`, `system` (models,
health, metrics, session, page). Around them: `app` puts them together, `bodies` are sent and
`schemas` answered, `conversion` turns a body into a request, `references` its pictures and
entities, `jobs` submits and waits, `auth` knows callers, `uploads` reads bodies and files, `files`
sends files, `live` a film that is being made, `events` the progress of a job, `errors` are the
error responses, `middleware` checks what comes and goes, `metrics` count.
"""
