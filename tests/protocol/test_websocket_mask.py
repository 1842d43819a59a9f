"""Masks taken off in C do what the letter of RFC 6455 5.3 says, in each of the ways."""

from __future__ import annotations

import _json
import hashlib
import os
import runpy
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from granian.protocol.websocket import libcrypto, mask
from granian.protocol.websocket.mask import INTEGER_BYTES_MAX, LANE_BYTES_MAX, rotated, unmasked
from tests.helpers.websocket_engines import xored

MASKS = [b'\x12\xfe\x80\x07', b'\x00\x00\x00\x00', b'\xff\xff\xff\xff', b'\x00\x01\x00\x80']
SIZES = (
    *range(70),
    *(bound + step for bound in (INTEGER_BYTES_MAX, 768) for step in range(-4, 20)),
    *(4096, 16384, 65537, 300_000),
)
# The bounds that leave all but the empty payload to one way.
WAYS = {'integers': (sys.maxsize, sys.maxsize), 'lanes': (0, sys.maxsize), 'libcrypto': (0, 0), 'by size': None}

needs_libcrypto = pytest.mark.skipif(
    libcrypto.unmasker() is None, reason='needs a Python that loads libcrypto as a library of its own'
)


@pytest.fixture(params=[pytest.param(way, marks=needs_libcrypto if way == 'libcrypto' else ()) for way in WAYS])
def way(request, monkeypatch):
    if bounds := WAYS[request.param]:
        monkeypatch.setattr(mask, 'INTEGER_BYTES_MAX', bounds[0])
        monkeypatch.setattr(mask, 'LANE_BYTES_MAX', bounds[1])
    return request.param


@pytest.mark.parametrize('size', SIZES)
def test_by_the_letter(size, way):
    data = os.urandom(size)
    for each in MASKS:
        assert unmasked(data, each) == xored(data, each)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    data=strategies.binary(max_size=3000),
    key=strategies.binary(min_size=4, max_size=4),
    at=strategies.integers(0, 3000),
)
def test_any_payload_in_two_pieces(data, key, at, way):
    at = min(at, len(data))
    assert unmasked(data[:at], key) + unmasked(data[at:], rotated(key, at)) == xored(data, key)


def test_every_byte_of_a_mask(way):
    data = bytes(range(256)) * 4
    for byte in range(256):
        each = bytes((byte, 255 - byte, byte ^ 0x55, 0))
        assert unmasked(data, each) == xored(data, each)


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview])
def test_what_is_given_stays_as_it_was_and_nobody_holds_it(kind, way):
    whole, key = bytearray(os.urandom(5001)), bytes(bytearray(b'\x01\x02\x03\x04'))
    given = memoryview(whole)[1:] if kind is memoryview else kind(whole[1:])
    plain = unmasked(given, key)
    assert plain == xored(bytes(whole[1:]), b'\x01\x02\x03\x04')
    assert (bytes(given), key) == (bytes(whole[1:]), b'\x01\x02\x03\x04')
    if kind is memoryview:
        given.release()
        # Whose memory somebody still looks at cannot grow.
        whole += bytes(100_000)
    if isinstance(plain, bytearray):
        plain += bytes(100_000)


def test_threads_at_once(way):
    wrong, together, interval = [], Barrier(6), sys.getswitchinterval()

    def work(number):
        key, data = bytes((number, 7, 200 + number, 99)), os.urandom(1000 + number)
        plain = xored(data, key)
        together.wait()
        wrong.extend(number for _ in range(300) if unmasked(data, key) != plain)

    threads = [Thread(target=work, args=[number]) for number in range(together.parties)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


# ── libcrypto ────────────────────────────────────────────────────────────────────────────────────────────────────────


def loads_libcrypto():
    maps = Path('/proc/self/maps')
    return bool(hashlib.sha1) and maps.exists() and 'libcrypto' in maps.read_text()


@pytest.mark.skipif(
    not loads_libcrypto(), reason='needs Linux and a Python that loads libcrypto as a library of its own'
)
def test_libcrypto_is_used_where_python_has_loaded_it():
    assert libcrypto.unmasker() is not None
    assert LANE_BYTES_MAX == 768


# Guards around each block of memory: whatever writes beyond its own ends the process.
GUARDED = """
import os
from granian.protocol.websocket.libcrypto import unmasker
unmasked = unmasker()
for size in (*range(1, 600), 4095, 4096, 65537):
    plain = unmasked(os.urandom(size), os.urandom(4))
    del plain
print('well')
"""


@needs_libcrypto
def test_nothing_is_written_beyond_the_payload():
    environment = {**os.environ, 'PYTHONMALLOC': 'debug'}
    done = subprocess.run([sys.executable, '-c', GUARDED], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, 'well\n', '')


@needs_libcrypto
@pytest.mark.parametrize(('data', 'key'), [(b'', b'abcd'), (b'data', b'abc'), (b'data', b'')])
def test_what_does_not_fit_is_refused_before_anything_is_written(data, key):
    with pytest.raises(ValueError, match=r'[Bb]uffer'):
        libcrypto.unmasker()(data, key)


def built_in():
    return ModuleType('_hashlib')


def module_of(path):
    module = built_in()
    module.__file__ = path
    return module


@pytest.mark.parametrize(
    'module',
    [
        None,
        built_in(),
        module_of('/nowhere/_hashlib.so'),
        module_of(getattr(_json, '__file__', __file__)),
        module_of(__file__),
    ],
    ids=['no OpenSSL', 'linked in', 'no such file', 'a library without it', 'no library'],
)
def test_without_libcrypto_python_does_it_alone(module, monkeypatch):
    monkeypatch.setitem(sys.modules, '_hashlib', module)
    fresh = runpy.run_path(mask.__file__)
    assert fresh['LANE_BYTES_MAX'] == sys.maxsize
    for size in (0, 100, 1000, 70_000):
        data = os.urandom(size)
        assert fresh['unmasked'](data, MASKS[0]) == xored(data, MASKS[0])


@needs_libcrypto
def test_a_function_that_does_something_else_is_not_used(monkeypatch):
    right = libcrypto._unmasker

    def wrong(library):
        unmasked = right(library)
        return lambda data, key: unmasked(data, key) if len(data) % 16 != 5 else bytearray(data)

    monkeypatch.setattr(libcrypto, '_unmasker', wrong)
    assert libcrypto.unmasker() is None
