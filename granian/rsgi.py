"""The public types of RSGI."""

from __future__ import annotations

from granian.adapters.rsgi.http import HTTPProtocol
from granian.adapters.rsgi.scope import Headers, Scope
from granian.adapters.rsgi.stream import HTTPStreamTransport
from granian.adapters.rsgi.types import RSGIProtocolClosed as ProtocolClosed
from granian.adapters.rsgi.types import RSGIProtocolError as ProtocolError
from granian.adapters.rsgi.types import WebsocketMessageType
from granian.adapters.rsgi.websocket import WebsocketMessage, WebsocketProtocol, WebsocketScope, WebsocketTransport

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
