"""Processes that claim jobs and execute them.

`worker` claims jobs and stores their results, `heartbeat` renews a job's lease and reports its
progress, `execute` does the work of one job, `films` that of a film of many shots; `pieces` shows
a film while it is made.
"""
