"""Jobs in a database.

`jobs` is the record and its states, `store` the queue with leases, `schema` the tables, `quotas` the keys and what they
may use, `retention` what is deleted when.
"""
