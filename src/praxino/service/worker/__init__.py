"""Processes that claim jobs, keep their leases alive and execute them."""
