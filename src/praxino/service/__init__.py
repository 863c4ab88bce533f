"""Films to order: jobs in a database, workers that do them, an API, a page and a bot that ask for them."""
