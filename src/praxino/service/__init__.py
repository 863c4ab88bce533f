"""Jobs in a database, workers that execute them, and an API, a page and a bot that submit them.

`supervisor` keeps the processes of one machine alive, `locations` says where jobs and films are,
`api_keys` who may use the API. `api`, `queue`, `worker` and `discord` are rooms of their own; `web`
is the page.
"""
