"""What conformance tools ask of an HTTP/2 server, asked of a real one: over both engines, in clear and over TLS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.http2.tables.wire_more import CASES
from tests.conformance.http2.wire import Wire
from tests.helpers.certificates import Authority
from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'


# They mostly wait for the server.
AT_ONCE = 8


@contextmanager
def site(folder, engine, pace):
    """Ports in clear and over TLS. `quick` answers before the rest of a request comes, `thorough` after it."""
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
target = "{APPS / 'paces.py'}:{pace}"
interface = "asgi"
lifespan = "off"
[http2]
engine = "{engine}"
""")
    tls = authority.client_context()
    tls.set_alpn_protocols(['h2'])
    with running_server('serve', '-c', str(folder / 'granian.toml')) as server:
        ports = [int(server.wait_for(r'Listening at: \w+://.*:(\d+)$', count=n).group(1)) for n in (1, 2)]
        yield {'clear': (ports[0], None), 'tls': (ports[1], tls)}


def fault(run, port, tls):
    wire = Wire(port, tls)
    try:
        run(wire)
    except AssertionError as error:
        return str(error)
    finally:
        wire.close()
    return None


@pytest.mark.parametrize('over', ['clear', 'tls'])
@pytest.mark.parametrize('pace', ['quick', 'thorough'])
@pytest.mark.parametrize('engine', ['fast', 'h2'])
def test_every_case_is_answered_as_it_should_be(tmp_path, engine, pace, over):
    with site(tmp_path, engine, pace) as places, ThreadPoolExecutor(AT_ONCE) as pool:
        faults = pool.map(lambda run: fault(run, *places[over]), CASES.values())
        assert {name: found for name, found in zip(CASES, faults, strict=True) if found} == {}
