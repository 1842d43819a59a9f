from __future__ import annotations

import gzip
import io
import os
import tempfile
import threading

import pytest

SIZES = pytest.mark.parametrize('size', [0, 1, 65_536, 65_537, 2_000_000])


def content(size):
    return (b'0123456789' * (size // 10 + 1))[:size]


class Opened:
    """Opens a file anew for each request and counts how often it was closed."""

    def __init__(self, path, mode='rb', **options):
        self.path, self.mode, self.options = path, mode, options
        self.closed = 0

    def __call__(self):
        file = open(self.path, self.mode, **self.options)  # noqa: SIM115
        close = file.close

        def counted():
            self.closed += 1
            close()

        if isinstance(file, io.BufferedReader):
            file.close = counted
        return file


def wrapping(make, *headers, block=8192):
    def app(environ, start_response):
        start_response('200 OK', list(headers))
        return environ['wsgi.file_wrapper'](make(), block)

    return app


@pytest.fixture
def file(tmp_path):
    def make(size):
        path = tmp_path / 'file'
        path.write_bytes(content(size))
        return path

    return make


@SIZES
async def test_a_file_is_sent_with_its_length_and_closed(serve_wsgi, file, size):
    opened = Opened(file(size))
    async with serve_wsgi(wrapping(opened)) as server:
        client = await server.connect()
        for n in range(2):
            await client.get()
            reply = await client.reply()
            assert reply.body == content(size)
            assert reply['content-length'] == b'%d' % size
            await server.until(lambda n=n: opened.closed == n + 1)


@SIZES
async def test_head_gets_the_length_of_the_file(serve_wsgi, file, size):
    opened = Opened(file(size))
    async with serve_wsgi(wrapping(opened)) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get('/', method='HEAD')
            reply = await client.reply(to_head=True)
            assert reply['content-length'] == b'%d' % size
        await server.until(lambda: opened.closed == 2)


@pytest.mark.parametrize('size', [1000, 1_000_000])
async def test_it_is_sent_from_where_it_stands_and_as_far_as_announced(serve_wsgi, file, size):
    opened = Opened(file(size))

    def placed():
        opened_file = opened()
        assert opened_file.read(7) == b'0123456'
        return opened_file

    async with serve_wsgi(wrapping(placed)) as server:
        assert (await server.get()).body == content(size)[7:]
    async with serve_wsgi(wrapping(placed, ('Content-Length', '500'))) as server:
        assert (await server.get()).body == content(size)[7:507]


@pytest.mark.parametrize('size', [1000, 1_000_000])
async def test_a_temporary_file_that_was_just_written_is_sent_whole(serve_wsgi, size):
    def make():
        made = tempfile.NamedTemporaryFile()  # noqa: SIM115
        made.write(content(size))
        made.seek(0)
        return made

    async with serve_wsgi(wrapping(make)) as server:
        assert (await server.get()).body == content(size)


@pytest.mark.parametrize('buffering', [0, -1])
async def test_buffered_or_not(serve_wsgi, file, buffering):
    opened = Opened(file(100_000), buffering=buffering)
    async with serve_wsgi(wrapping(opened)) as server:
        assert (await server.get()).body == content(100_000)


async def test_what_reads_as_something_else_than_its_descriptor_is_read(serve_wsgi, tmp_path):
    with gzip.open(tmp_path / 'x.gz', 'wb') as packed:
        packed.write(content(100_000))
    async with serve_wsgi(wrapping(lambda: gzip.open(tmp_path / 'x.gz'))) as server:
        assert (await server.get()).body == content(100_000)


async def test_a_pipe_is_read(serve_wsgi):
    def make():
        reading, writing = os.pipe()
        with open(writing, 'wb') as source:
            source.write(b'through a pipe')
        return open(reading, 'rb')

    async with serve_wsgi(wrapping(make)) as server:
        assert (await server.get()).body == b'through a pipe'


async def test_what_is_in_memory_is_read_in_blocks(serve_wsgi):
    async with serve_wsgi(wrapping(lambda: io.BytesIO(content(20_000)))) as server:
        client = await server.connect()
        await client.get()
        await client.head()
        assert [len(await client.chunk()) for _ in range(4)] == [8192, 8192, 3616, 0]


async def test_without_a_close_there_is_nothing_to_close(serve_wsgi):
    class Reads:
        def __init__(self):
            self.read = io.BytesIO(b'x').read

    async with serve_wsgi(wrapping(Reads)) as server:
        assert (await server.get()).body == b'x'


async def test_middleware_may_iterate_over_it(serve_wsgi, file):
    opened = Opened(file(20_000))
    inner = wrapping(opened)

    def app(environ, start_response):
        result = inner(environ, start_response)
        yield from (piece.replace(b'0', b'_') for piece in result)
        result.close()

    async with serve_wsgi(app) as server:
        assert (await server.get()).body == content(20_000).replace(b'0', b'_')


async def test_a_client_that_leaves_has_the_file_closed(serve_wsgi, file, caplog):
    opened = Opened(file(20_000_000))
    async with serve_wsgi(wrapping(opened)) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get()
        await server.until(lambda: any(each.blocked for each in server.connections))
        client.reset()
        await server.until(lambda: opened.closed)
    assert not [record for record in caplog.records if record.name == '_granian']


async def test_a_file_is_not_sent_before_start_response(serve_wsgi, file):
    opened = Opened(file(10))
    async with serve_wsgi(lambda environ, _: environ['wsgi.file_wrapper'](opened())) as server:
        assert (await server.get()).status == 500
    assert opened.closed == 1


async def test_the_response_is_closed_by_the_thread_that_began_it(serve_wsgi, file):
    threads = []

    def app(environ, start_response):
        threads.append(threading.current_thread())
        start_response('200 OK', [])
        opened = open(file(1_000_000), 'rb')  # noqa: SIM115
        close = opened.close
        opened.close = lambda: (threads.append(threading.current_thread()), close())
        return environ['wsgi.file_wrapper'](opened)

    async with serve_wsgi(app) as server:
        await server.get()
        await server.until(lambda: len(threads) == 2)
    assert threads[0] is threads[1]


async def test_an_iterator_of_the_wrapper_seeks_in_the_file_and_closes_it(serve_wsgi, file):
    # As Werkzeug answers ranges.
    opened = Opened(file(100_000))

    def app(environ, start_response):
        start_response('206 Partial Content', [('content-length', '10')])
        wrapper = environ['wsgi.file_wrapper'](opened(), 10)
        pieces = iter(wrapper)
        assert wrapper.seekable()
        pieces.seek(50_003)
        assert pieces.tell() == 50_003

        class Part:
            close = staticmethod(pieces.close)

            def __iter__(self):
                yield next(pieces)

        return Part()

    async with serve_wsgi(app) as server:
        assert (await server.get()).body == b'3456789012'
        await server.until(lambda: opened.closed)
