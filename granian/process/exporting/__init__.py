"""Numbers for Prometheus: a process of its own serves them, and the supervisor keeps it alive."""
