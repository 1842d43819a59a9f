"""What hostile HTTP/2 clients do, against a real server: `python -m tests.attacks [--seconds 30] [NAME…]`."""
