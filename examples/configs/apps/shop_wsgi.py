"""A WSGI application: says where it is mounted and what it was asked for."""


def app(environ, start_response):
    body = f'wsgi {environ["SCRIPT_NAME"]!r} {environ["PATH_INFO"]!r}\n'.encode()
    start_response('200 OK', [('Content-Type', 'text/plain; charset=utf-8'), ('Content-Length', str(len(body)))])
    return [body]
