"""A WSGI application whose threads never come back."""

from __future__ import annotations

import sys
import time


def app(environ, start_response):
    # In one piece: print sends the line and its end apart, and another thread's come between.
    sys.stdout.write('stuck\n')
    sys.stdout.flush()
    time.sleep(3600)
