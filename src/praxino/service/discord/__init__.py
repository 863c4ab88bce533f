"""A Discord bot that submits jobs and posts their results."""
