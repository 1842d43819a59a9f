"""A Flask application as people write them: session, form, upload, stream, file, errors, teardown."""

from __future__ import annotations

import hashlib
import threading
import time
from wsgiref.validate import validator

from flask import Flask, Response, abort, redirect, request, send_file, session, stream_with_context

app = Flask(__name__)
app.secret_key = 'of the tests'


@app.get('/')
def index():
    return {'path': request.path, 'root': request.script_root, 'url': request.url, 'user': session.get('user')}


@app.post('/login')
def login():
    session['user'] = request.form['user']
    return redirect('/')


@app.post('/echo')
def echo():
    return request.get_data()


@app.post('/upload')
def upload():
    file = request.files['file']
    digest = hashlib.sha256()
    while piece := file.stream.read(65536):
        digest.update(piece)
    return {'name': file.filename, 'sha256': digest.hexdigest()}


@app.get('/stream')
def stream():
    def pieces():
        for n in range(int(request.args.get('count', '10'))):
            yield f'{n}\n'

    return Response(stream_with_context(pieces()), mimetype='text/plain')


@app.get('/file')
def file():
    return send_file(__file__, conditional=True)


@app.get('/slow')
def slow():
    time.sleep(float(request.args['s']))
    return threading.current_thread().name


@app.get('/fail')
def fail():
    raise ValueError('as told')


@app.get('/teapot')
def teapot():
    abort(418)


@app.get('/exit')
def leave():
    raise SystemExit(3)


def _reading_with_sizes(environ, start_response):
    # Werkzeug reads an input that ends by itself without a size; validate takes that for a fault of the application.
    del environ['wsgi.input_terminated']
    return app(environ, start_response)


validated = validator(_reading_with_sizes)
