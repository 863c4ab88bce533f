"""Jobs in a database, workers that execute them, and an API, a page and a bot that submit them.

`supervisor` keeps the processes of one machine alive. `api`, `queue`, `worker` and `discord` are rooms of their own;
`web` is the page.
"""
