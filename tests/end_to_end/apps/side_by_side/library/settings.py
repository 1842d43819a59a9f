from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ['LIBRARY_DATA'])

SECRET_KEY = 'of the tests'
ALLOWED_HOSTS = ['127.0.0.1', '.test']
INSTALLED_APPS = [
    'django.contrib.admin',
    'django.contrib.auth',
    'django.contrib.contenttypes',
    'django.contrib.sessions',
    'django.contrib.messages',
    'django.contrib.staticfiles',
    'library',
]
MIDDLEWARE = [
    'django.middleware.security.SecurityMiddleware',
    'django.contrib.sessions.middleware.SessionMiddleware',
    'django.middleware.common.CommonMiddleware',
    'django.middleware.csrf.CsrfViewMiddleware',
    'django.contrib.auth.middleware.AuthenticationMiddleware',
    'django.contrib.messages.middleware.MessageMiddleware',
    'django.middleware.clickjacking.XFrameOptionsMiddleware',
]
ROOT_URLCONF = 'library.urls'
TEMPLATES = [
    {
        'BACKEND': 'django.template.backends.django.DjangoTemplates',
        'APP_DIRS': True,
        'OPTIONS': {
            'context_processors': [
                'django.template.context_processors.request',
                'django.contrib.auth.context_processors.auth',
                'django.contrib.messages.context_processors.messages',
            ],
        },
    },
]
DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.sqlite3',
        'NAME': DATA / 'db.sqlite3',
        'OPTIONS': {'timeout': 30, 'transaction_mode': 'IMMEDIATE'},
    },
}
DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'
# The default takes a third of a second per login.
PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']
USE_TZ = True
# Relative: Django puts SCRIPT_NAME before them.
STATIC_URL = 'static/'
MEDIA_URL = 'media/'
STATIC_ROOT = DATA / 'static'
MEDIA_ROOT = DATA / 'media'
STORAGES = {
    'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'},
    'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'},
}
LOGIN_URL = 'admin:login'
