"""A Django project in one file: admin, sessions, forms with CSRF, static files, streaming, uploads, a download."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import django
from django.conf import settings

FOLDER = Path(os.environ.get('DJANGO_APP_FOLDER') or tempfile.mkdtemp())

settings.configure(
    DEBUG=False,
    SECRET_KEY='of the tests',
    ALLOWED_HOSTS=['*'],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        'django.contrib.admin',
        'django.contrib.auth',
        'django.contrib.contenttypes',
        'django.contrib.sessions',
        'django.contrib.messages',
        'django.contrib.staticfiles',
    ],
    MIDDLEWARE=[
        'django.contrib.sessions.middleware.SessionMiddleware',
        'django.middleware.common.CommonMiddleware',
        'django.middleware.csrf.CsrfViewMiddleware',
        'django.contrib.auth.middleware.AuthenticationMiddleware',
        'django.contrib.messages.middleware.MessageMiddleware',
    ],
    TEMPLATES=[
        {
            'BACKEND': 'django.template.backends.django.DjangoTemplates',
            'APP_DIRS': True,
            'OPTIONS': {
                'context_processors': [
                    'django.template.context_processors.request',
                    'django.contrib.auth.context_processors.auth',
                    'django.contrib.messages.context_processors.messages',
                ]
            },
        }
    ],
    DATABASES={
        'default': {
            'ENGINE': 'django.db.backends.sqlite3',
            'NAME': str(FOLDER / 'db.sqlite3'),
            'OPTIONS': {'timeout': 30},
        }
    },
    STATIC_URL='/static/',
    USE_TZ=True,
    # Above this an upload is a file on disk while the view runs.
    FILE_UPLOAD_MAX_MEMORY_SIZE=100_000,
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import path  # noqa: E402


def index(request):
    visits = request.session['visits'] = request.session.get('visits', 0) + 1
    return JsonResponse({'path': request.path, 'visits': visits, 'token': get_token(request)})


def form(request):
    return HttpResponse(f'hello {request.POST["name"]}')


def upload(request):
    file = request.FILES['file']
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    return JsonResponse({'name': file.name, 'size': file.size, 'sha256': digest.hexdigest()})


def stream(request):
    def rows():
        with connection.cursor() as cursor:
            for n in range(1000):
                cursor.execute('SELECT %s', [n])
                yield f'{cursor.fetchone()[0]}\n'

    return StreamingHttpResponse(rows(), content_type='text/plain')


def download(request):
    return FileResponse(open(FOLDER / 'download', 'rb'), as_attachment=True)


def fail(request):
    raise ValueError('as told')


urlpatterns = [
    path('', index),
    path('form', form),
    path('upload', upload),
    path('stream', stream),
    path('download', download),
    path('fail', fail),
    path('admin/', admin.site.urls),
]


def prepare():
    """Make the database, with somebody who may log in."""
    from django.contrib.auth.models import User

    call_command('migrate', verbosity=0, interactive=False)
    User.objects.create_superuser('root', 'root@example.com', 'secret')


class Insecure(StaticFilesHandler):
    """Static files as `runserver` serves them, outside of DEBUG too."""

    def serve(self, request):
        from django.contrib.staticfiles.views import serve

        return serve(request, self.file_path(request.path), insecure=True)


app = Insecure(WSGIHandler())

if __name__ == '__main__':
    prepare()
