"""Jobs in a database.

`jobs` is the record and its states, `store` the queue with leases, `schema` the tables,
`submission` how a job and its file enter, `films` are those of many shots, `models` the models that
workers serve, `quotas` how much one caller may submit, `retention` what is deleted when.
"""
