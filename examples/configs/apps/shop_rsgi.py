"""An RSGI application: says what it was asked for."""


async def app(scope, protocol):
    protocol.response_str(200, [('content-type', 'text/plain; charset=utf-8')], f'rsgi {scope.path!r}\n')
