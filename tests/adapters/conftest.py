from tests.helpers.rsgi import serve_rsgi
from tests.helpers.serving import engine, loop, pytest_pyfunc_call, serve
from tests.helpers.wsgi import serve_wsgi

__all__ = ['engine', 'loop', 'pytest_pyfunc_call', 'serve', 'serve_rsgi', 'serve_wsgi']
