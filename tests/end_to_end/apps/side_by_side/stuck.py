"""A WSGI application whose threads never come back."""

from __future__ import annotations

import time


def app(environ, start_response):
    print('stuck', flush=True)
    time.sleep(3600)
