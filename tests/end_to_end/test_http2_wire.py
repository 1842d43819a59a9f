"""What conformance tools ask of an HTTP/2 server, asked of a real one: over both engines, in clear and over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.http2.tables.wire import CASES
from tests.conformance.http2.wire import Wire
from tests.helpers.certificates import Authority
from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'


class Site:
    def __init__(self, ports, tls):
        self.ports = ports
        self.tls = tls

    def connect(self, over):
        return Wire(self.ports[0]) if over == 'clear' else Wire(self.ports[1], self.tls)


@pytest.fixture(scope='module', params=['fast', 'h2'])
def engine(request):
    return request.param


@pytest.fixture(scope='module', params=['quick', 'thorough'])
def site(request, engine, tmp_path_factory):
    """`quick` answers before the rest of a request comes, `thorough` after it."""
    folder = tmp_path_factory.mktemp('site')
    authority = Authority('root')
    certificate, key = authority.issue('localhost').write(folder, 'site')
    (folder / 'granian.toml').write_text(f"""
[[listeners]]
bind = "127.0.0.1:0"
[[listeners]]
bind = "127.0.0.1:0"
[listeners.tls]
certificate = "{certificate}"
key = "{key}"
[[apps]]
target = "{APPS / 'paces.py'}:{request.param}"
interface = "asgi"
lifespan = "off"
[http2]
engine = "{engine}"
""")
    tls = authority.client_context()
    tls.set_alpn_protocols(['h2'])
    with running_server('serve', '-c', str(folder / 'granian.toml')) as server:
        ports = [int(server.wait_for(r'Listening at: \w+://.*:(\d+)$', count=n).group(1)) for n in (1, 2)]
        yield Site(ports, tls)


@pytest.mark.parametrize('over', ['clear', 'tls'])
@pytest.mark.parametrize('run', CASES.values(), ids=CASES)
def test_it_answers_as_it_should(site, over, run):
    wire = site.connect(over)
    try:
        run(wire)
    finally:
        wire.close()
