from tests.helpers.rsgi import serve_rsgi
from tests.helpers.serving import engine, loop, pytest_pyfunc_call, serve

__all__ = ['engine', 'loop', 'pytest_pyfunc_call', 'serve', 'serve_rsgi']
