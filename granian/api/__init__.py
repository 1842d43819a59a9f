"""The server as an object of a Python program: upstream's `Granian` and its server inside a running loop."""
