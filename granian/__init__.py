"""Granian: an application server for Python, configured by one validated TOML file.

The tree, from the bottom up (imports only ever point down this list):

errors      the exceptions a person may see
protocol    sans-IO: engine contract, HTTP rules, the engines themselves
config      the document: model, sources, loading, where each value came from, schema
exchange    one request and its response, whatever the HTTP version
routing     which application answers a request
adapters    ASGI, RSGI, WSGI, files: an exchange on one side, an application or a folder on the other
observe     server log and access log
server      one worker's I/O: connection, exchange, deadlines
process     sockets, supervisor, worker: the only code that sees a whole Config
cli         argv in, exit status out
"""

__version__ = '0.1.0'
