"""Processes that claim jobs and execute them.

`worker` claims, keeps the lease alive and reports; `execute` does the work of one job.
"""
