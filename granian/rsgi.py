"""The public types of RSGI."""

from __future__ import annotations

from granian.adapters.rsgi import HTTPProtocol
from granian.adapters.rsgi_scope import Headers, Scope
from granian.adapters.rsgi_stream import HTTPStreamTransport
from granian.adapters.rsgi_types import RSGIProtocolClosed as ProtocolClosed
from granian.adapters.rsgi_types import RSGIProtocolError as ProtocolError
from granian.adapters.rsgi_types import WebsocketMessageType
from granian.adapters.rsgi_websocket import WebsocketMessage, WebsocketProtocol, WebsocketScope, WebsocketTransport

__all__ = [
    'HTTPProtocol',
    'HTTPStreamTransport',
    'Headers',
    'ProtocolClosed',
    'ProtocolError',
    'Scope',
    'WebsocketMessage',
    'WebsocketMessageType',
    'WebsocketProtocol',
    'WebsocketScope',
    'WebsocketTransport',
]
