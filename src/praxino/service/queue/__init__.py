"""Jobs in a database: their states, the queue with leases, quotas, retention."""
