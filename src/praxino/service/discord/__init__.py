"""A Discord bot that submits jobs and posts their results.

`bot` are its commands, `replies` the messages that it keeps up to date.
"""
