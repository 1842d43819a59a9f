from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import defaultdict

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from .models import Book

gates = defaultdict(threading.Event)
async_gates = defaultdict(asyncio.Event)


class BookForm(forms.ModelForm):
    class Meta:
        model = Book
        fields = ['title', 'scan']


def index(request):
    request.session['visits'] = request.session.get('visits', 0) + 1
    context = {'form': BookForm(), 'books': Book.objects.all(), 'asynchronous': isinstance(request, ASGIRequest)}
    return render(request, 'library/index.html', context)


def add(request):
    form = BookForm(request.POST, request.FILES)
    if not form.is_valid():
        return JsonResponse(form.errors, status=422)
    book = form.save()
    messages.success(request, f'Added {book.title}')
    return redirect('index')


def digest(request, pk):
    found = hashlib.sha256()
    with get_object_or_404(Book, pk=pk).scan.open('rb') as file:
        for piece in file.chunks():
            found.update(piece)
    return HttpResponse(found.hexdigest())


@login_required
def scan(request, pk):
    return FileResponse(get_object_or_404(Book, pk=pk).scan.open('rb'), as_attachment=True)


def stream(request, token):
    def lines():
        try:
            yield f'first {Book.objects.count() >= 0}\n'
            gates[token].wait(30)
            for number in range(1000):
                yield f'{number}\n'
        finally:
            print(f'library closes {token}')

    return StreamingHttpResponse(lines(), content_type='text/plain')


def opened(request, token):
    gates[token].set()
    return HttpResponse('open')


async def async_stream(request, token):
    async def lines():
        try:
            yield f'first {await Book.objects.acount() >= 0}\n'
            await asyncio.wait_for(async_gates[token].wait(), 30)
            for number in range(1000):
                yield f'{number}\n'
        finally:
            print(f'library closes {token}')

    return StreamingHttpResponse(lines(), content_type='text/plain')


async def async_opened(request, token):
    async_gates[token].set()
    return HttpResponse('open')
