"""The applications of `apps.py` for WSGI (`apps_wsgi:app`), and one that only it has: a wait of 10 ms."""

from __future__ import annotations

import time

from apps import BODIES

TYPE = ('content-type', 'text/plain; charset=utf-8')
HEADERS = {path: [TYPE, ('content-length', str(len(body)))] for path, body in BODIES.items()}
WAIT_S = 0.01


def echo(environ, start_response):
    """Take the body to its end, and answer it in one piece."""
    body = environ['wsgi.input'].read()
    start_response('200 OK', [TYPE, ('content-length', str(len(body)))])
    return [body]


def app(environ, start_response):
    """PEP 3333: `/10b`, `/1k`, … answer fixed bodies, `/wait/10b` the same after 10 ms, every other path echoes."""
    path = environ['PATH_INFO']
    if path.startswith('/wait'):
        time.sleep(WAIT_S)
        path = path[5:]
    if path not in BODIES:
        return echo(environ, start_response)
    start_response('200 OK', HEADERS[path])
    return [BODIES[path]]
