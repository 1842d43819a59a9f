"""Inside a worker process: its loop, its orders, its end."""
