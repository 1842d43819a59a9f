"""Lines and columns: what the position finder says of a TOML text, and that it sees what the TOML parser sees."""

from __future__ import annotations

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from granian.config.reading.positions import positions
from granian.config.writing.toml_writer import toml_text, toml_value

TEXT = '''\
# a comment with = and [brackets]
title = "x" # and = one more
"quoted key" . 'a.b' = 1

[server]
  list = [ 1, "two # [", [ 3 ],
    # a comment, with a comma
    { a = 1, b.c = 'x' },
  ]
long = """
[not.a.table]
not = "a key" \\""" ""\\
"""""
raw = \'\'\'
it's = ''1''
\'\'\'
when = 1979-05-27 07:32:00
inf = -inf

[[apps]]
target = "a"
[apps.tls]
key = "k"
[[apps.tls.sni]]
hosts = []
[[apps.tls.sni]]

[[ apps ]]
[apps.tls]
key = {}
'''


@pytest.mark.parametrize(
    ('path', 'key', 'value'),
    [
        (('title',), (2, 1), (2, 9)),
        (('quoted key',), (3, 1), (3, 1)),
        (('quoted key', 'a.b'), (3, 16), (3, 24)),
        (('server',), (5, 2), (5, 1)),
        (('server', 'list'), (6, 3), (6, 10)),
        (('server', 'list', 1), (6, 15), (6, 15)),
        (('server', 'list', 2, 0), (6, 28), (6, 28)),
        (('server', 'list', 3), (8, 5), (8, 5)),
        (('server', 'list', 3, 'b', 'c'), (8, 16), (8, 20)),
        (('server', 'long'), (10, 1), (10, 8)),
        (('server', 'raw'), (14, 1), (14, 7)),
        (('server', 'when'), (17, 1), (17, 8)),
        (('server', 'inf'), (18, 1), (18, 7)),
        (('apps',), (20, 3), (20, 1)),
        (('apps', 0), (20, 3), (20, 1)),
        (('apps', 0, 'tls'), (22, 7), (22, 1)),
        (('apps', 0, 'tls', 'sni', 1), (26, 12), (26, 1)),
        (('apps', 1), (28, 4), (28, 1)),
        (('apps', 1, 'tls', 'key'), (30, 1), (30, 7)),
    ],
)
def test_place_of_key_and_value(path, key, value):
    place = positions(TEXT)[path]

    assert (place.key, place.value) == (key, value)


def test_windows_line_ends_count_as_one():
    assert positions('[a]\r\nb = 1\r\n')['a', 'b'].value == (2, 5)


def test_same_places_exist_as_the_parser_finds_values():
    assert set(positions(TEXT)) == paths(tomli.loads(TEXT))


def paths(value, path=()):
    """The paths of all tables, lists and scalars in parsed TOML."""
    found = {path} if path else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found.union(*(paths(item, (*path, key)) for key, item in items))


keys = st.text(st.characters(exclude_categories=['Cs']), max_size=4) | st.sampled_from(
    ['a', 'b-c', '1', 'a.b', '"', '#']
)
scalars = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=['Cs']), max_size=8)
    | st.sampled_from(['"""', "'''", '\\', '# no comment', '[x]', '\n', ']', '}'])
)
documents = st.dictionaries(
    keys,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=12
    ),
    max_size=5,
)


@given(documents, st.booleans())
def test_finder_agrees_with_the_parser_on_what_exists(document, inline):
    text = ''.join(f'{toml_value(key)} = {toml_value(value)}\n' for key, value in document.items()) if inline else ''
    text = text or toml_text(document)

    assert tomli.loads(text) == document
    assert set(positions(text)) == paths(document)


@given(documents)
def test_place_of_a_scalar_is_where_its_text_stands(document):
    text = toml_text(document)
    lines = text.replace('\r\n', '\n').split('\n')

    for path, place in positions(text).items():
        value = at(document, path)
        if isinstance(value, (str, bool, int, float)):
            assert lines[place.value.line - 1][place.value.column - 1 :].startswith(toml_value(value))


def at(value, path):
    for part in path:
        value = value[part]
    return value
