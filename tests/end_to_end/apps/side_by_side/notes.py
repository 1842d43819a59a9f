"""A Flask application as people write them: login by session, form, upload, stream, file."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict

from flask import (
    Flask,
    Response,
    abort,
    flash,
    get_flashed_messages,
    redirect,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)

app = Flask(__name__)
app.secret_key = 'of the tests'
gates = defaultdict(threading.Event)


@app.get('/')
def index():
    if 'user' not in session:
        return redirect(url_for('login'))
    return {'user': session['user'], 'notes': session.get('notes', []), 'said': get_flashed_messages()}


@app.route('/login', methods=['GET', 'POST'])
def login():
    if request.method == 'GET':
        return f'<form method="post" action="{url_for("login")}"><input name="user"><input name="password"></form>'
    if request.form['password'] != 'secret':
        abort(403)
    session['user'] = request.form['user']
    return redirect(url_for('index'))


@app.post('/logout')
def logout():
    session.clear()
    return redirect(url_for('login'))


@app.post('/notes')
def add():
    session['notes'] = [*session.get('notes', []), request.form['text']]
    flash('Noted')
    return redirect(url_for('index'))


@app.post('/upload')
def upload():
    file = request.files['file']
    digest = hashlib.sha256()
    while piece := file.stream.read(65536):
        digest.update(piece)
    return {'name': file.filename, 'label': request.form['label'], 'sha256': digest.hexdigest()}


@app.get('/stream/<token>')
def stream(token):
    def lines():
        try:
            yield 'first True\n'
            gates[token].wait(30)
            for number in range(1000):
                yield f'{number}\n'
        finally:
            print(f'notes closes {token}')

    return Response(lines(), mimetype='text/plain')


@app.get('/open/<token>')
def opened(token):
    gates[token].set()
    return 'open'


@app.get('/until')
def until():
    """Answers once the named pipe says a line."""

    def lines():
        yield 'begun\n'
        with open(request.args['pipe']) as pipe:
            yield pipe.readline()

    return Response(stream_with_context(lines()), mimetype='text/plain')


@app.get('/file')
def file():
    return send_file(__file__, conditional=True, as_attachment=True)
