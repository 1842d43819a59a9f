"""The applications in end_to_end/apps/side_by_side behind one server, and browsers to visit them with."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from tests.helpers.server import running_server

APPS = Path(__file__).parents[1] / 'end_to_end' / 'apps' / 'side_by_side'

THREADS_HOST, LOOP_HOST, NOTES_HOST = 'www.test', 'async.test', 'notes.test'

CONFIG = """
[server]
workers = 1
working_dir = {apps}
graceful_timeout = "10s"

[[listeners]]
bind = "127.0.0.1:0"

[http1]
engine = "{engine}"

[[apps]]
target = "library.wsgi:application"
interface = "wsgi"
path = "/library"
blocking_threads = 8

[[apps]]
name = "library on the loop"
target = "library.asgi:application"
interface = "asgi"
path = "/library"
hosts = ["async.test"]

[[static]]
path = "/library/static"
directory = {static}
cache = {{ "*.????????????.*" = "immutable" }}

[[static]]
path = "/library/static"
hosts = ["async.test"]
directory = {static}

[[apps]]
target = "notes:app"
interface = "wsgi"
path = "/notes"
blocking_threads = 4

[[apps]]
name = "notes of a host"
target = "notes:app"
interface = "wsgi"
hosts = ["notes.test"]
headers = {{ x-served-by = "notes.test" }}

[[apps]]
target = "api:app"
interface = "asgi"
path = "/api"

[[apps]]
target = "stuck:app"
interface = "wsgi"
path = "/stuck"
blocking_threads = 2
"""


def prepare(data):
    """Make of a folder what deployment makes of it: migrated, with somebody who may log in, static files collected."""
    password = {'DJANGO_SUPERUSER_PASSWORD': 'secret'}
    env = {**os.environ, **password, 'LIBRARY_DATA': str(data)}
    for words in (
        ['migrate'],
        ['createsuperuser', '--username', 'ann', '--email', 'ann@example.com'],
        ['collectstatic'],
    ):
        command = [sys.executable, 'manage.py', *words, '--no-input', '--verbosity', '0']
        subprocess.run(command, cwd=APPS, env=env, check=True)


@contextlib.contextmanager
def serving(prepared, folder, engine, **changes):
    data = Path(shutil.copytree(prepared, folder / 'data'))
    config = CONFIG.format(engine=engine, apps=json.dumps(str(APPS)), static=json.dumps(str(data / 'static')))
    (folder / 'granian.toml').write_text(config)
    words = [word for name, value in changes.items() for word in ('--set', f'server.{name}={value}')]
    # Port 0 stands in the file.
    with running_server('serve', '-c', 'granian.toml', *words, cwd=folder, env={'LIBRARY_DATA': str(data)}) as server:
        yield server


def browser(server, host=THREADS_HOST):
    """A client with a cookie jar of its own that follows redirects."""
    base = f'http://127.0.0.1:{server.port}'
    return httpx.Client(base_url=base, headers={'Host': host}, timeout=30, follow_redirects=True)


def token_in(page):
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]


def log_in(client):
    """Through the admin's form, as a person would; the page that follows."""
    page = client.get('/library/admin/')
    assert page.url.path == '/library/admin/login/'
    form = {'username': 'ann', 'password': 'secret', 'csrfmiddlewaretoken': token_in(page), 'next': '/library/admin/'}
    return client.post(page.url.path, data=form)
