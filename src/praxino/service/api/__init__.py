"""The HTTP API (FastAPI).

Routes: `videos`, `images`, `analyses` (detect and verify), `system` (models, health, metrics, session, page). Around
them: `app` puts them together, `schemas` are the bodies, `conversion` turns a body into a request, `jobs` submits and
waits, `auth` knows callers, `uploads` takes files, `files` sends them and events, `errors` are the answers,
`middleware` and `head` guard the door, `metrics` count.
"""
