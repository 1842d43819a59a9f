from __future__ import annotations

from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path('', views.index, name='index'),
    path('books', views.add, name='add'),
    path('books/<int:pk>/digest', views.digest, name='digest'),
    path('books/<int:pk>/scan', views.scan, name='scan'),
    path('stream/<token>', views.stream),
    path('open/<token>', views.opened),
    path('async/stream/<token>', views.async_stream),
    path('async/open/<token>', views.async_opened),
    path('admin/', admin.site.urls),
]
