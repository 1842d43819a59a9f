"""Django Channels: a chat room over its in-memory layer."""

import json

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY='for tests only',
    ALLOWED_HOSTS=['*'],
    ROOT_URLCONF='channels_app',
    INSTALLED_APPS=['channels'],
    CHANNEL_LAYERS={'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}},
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path, re_path  # noqa: E402


class Room(AsyncWebsocketConsumer):
    async def connect(self):
        if self.scope['url_route']['kwargs']['room'] == 'closed':
            await self.close()
            return
        await self.channel_layer.group_add('room', self.channel_name)
        await self.accept()

    async def disconnect(self, close_code):
        await self.channel_layer.group_discard('room', self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        if bytes_data is not None:
            await self.send(bytes_data=bytes_data)
        else:
            await self.channel_layer.group_send('room', {'type': 'room.said', 'text': json.loads(text_data)['text']})

    async def room_said(self, event):
        await self.send(text_data=json.dumps({'text': event['text']}))


urlpatterns = [path('', lambda request: HttpResponse('plain Django'))]
app = ProtocolTypeRouter(
    {
        'http': get_asgi_application(),
        'websocket': URLRouter([re_path(r'^room/(?P<room>\w+)$', Room.as_asgi())]),
    }
)
