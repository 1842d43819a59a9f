"""Faulty mounts: the whole report of each."""

from __future__ import annotations

import pytest

A = '[[apps]]\ntarget = "a:app"\n'
CASES = [
    (
        'path-without-a-slash',
        A + 'path = "api"\n',
        "granian.toml:3:8: apps[0].path: 'api' does not begin with a slash; write '/api'",
    ),
    ('empty-path', A + 'path = ""\n', "granian.toml:3:8: apps[0].path: '' does not begin with a slash; write '/'"),
    (
        'path-with-dots',
        A + 'path = "/a/../b"\n',
        "granian.toml:3:8: apps[0].path: '/a/../b' has a segment that is empty or made of dots; no path of a request has",
    ),
    (
        'path-with-an-empty-segment',
        A + 'path = "/a//b"\n',
        "granian.toml:3:8: apps[0].path: '/a//b' has a segment that is empty or made of dots; no path of a request has",
    ),
    (
        'path-with-a-query',
        A + 'path = "/a?b"\n',
        "granian.toml:3:8: apps[0].path: '/a?b' has more than a path; leave out what begins with ? or #",
    ),
    (
        'encoded-path',
        A + 'path = "/caf%C3%A9"\n',
        "granian.toml:3:8: apps[0].path: '/caf%C3%A9' is encoded; write it decoded, as it is read",
    ),
    (
        'path-with-a-star',
        A + 'path = "/api/*"\n',
        "granian.toml:3:8: apps[0].path: '/api/*': a mount holds all below its path by itself; leave the '*' out",
    ),
    (
        'path-with-a-line-break',
        A + 'path = "/a\\nb"\n',
        "granian.toml:3:8: apps[0].path: '/a\\nb' has a character that does not print",
    ),
    ('number-for-a-path', A + 'path = 1\n', 'granian.toml:3:8: apps[0].path: 1 is not text; write it in quotes'),
    (
        'hosts',
        A + 'hosts = ["ok.example", "a.example:80", "*", "bücher.example", "a b", "*.*.x", "[::g]", 7]\n',
        """\
granian.toml:3:24: apps[0].hosts[1]: 'a.example:80' has a port; a mount is there on every port, write the name alone
granian.toml:3:40: apps[0].hosts[2]: '*' is every host; leave hosts out for that
granian.toml:3:45: apps[0].hosts[3]: 'bücher.example' is not how requests name it; write 'xn--bcher-kva.example'
granian.toml:3:63: apps[0].hosts[4]: 'a b' is not a host name; write it like 'shop.example' or '*.shop.example'
granian.toml:3:70: apps[0].hosts[5]: '*.*.x' is not a host name; write it like 'shop.example' or '*.shop.example'
granian.toml:3:79: apps[0].hosts[6]: '[::g]' is not an IPv6 address
granian.toml:3:88: apps[0].hosts[7]: 7 is not text; write it in quotes""",
    ),
    (
        'host-that-is-no-list',
        A + 'hosts = "shop.example"\n',
        "granian.toml:3:9: apps[0].hosts: 'shop.example' is not a list of host names",
    ),
    (
        'same-place-twice',
        A + '[[apps]]\ntarget = "b:app"\n',
        "granian.toml:3:1: apps[1].path: would never be reached: apps[0] has '/' already; give one of them another path or hosts",
    ),
    (
        'same-path-written-differently',
        A + 'path = "/a/"\n' + A + 'path = "/a"\n',
        "granian.toml:6:8: apps[1].path: would never be reached: apps[0] has '/a' already; give one of them another path or hosts",
    ),
    (
        'one-host-in-common',
        A + 'hosts = ["x.example", "Y.example"]\n' + A + 'hosts = ["z.example", "y.example."]\n',
        "granian.toml:4:1: apps[1].path: would never be reached: apps[0] has '/' on y.example already; give one of them another path or hosts",
    ),
    (
        'application-behind-a-folder',
        A + '[[static]]\npath = "/"\ndirectory = "."\n',
        "granian.toml:1:1: apps[0].path: would never be reached: static[0] has '/' already; give one of them another path or hosts",
    ),
    (
        'application-behind-a-rule-behind-a-folder',
        A + 'path = "/x"\n[[rules]]\npath = "/x"\nreturn = 404\n[[static]]\npath = "/x"\ndirectory = "."\n',
        """\
granian.toml:3:8: apps[0].path: would never be reached: static[0] has '/x' already; give one of them another path or hosts
granian.toml:5:8: rules[0].path: would never be reached: static[0] has '/x' already; give one of them another path or hosts""",
    ),
    (
        'no-directory',
        '[[static]]\npath = "/x"\n',
        'granian.toml:1:1: static[0].directory: is missing; write it like directory = "."',
    ),
    (
        'missing-directory',
        '[[static]]\ndirectory = "public"\n',
        "granian.toml:2:13: static[0].directory: 'public': no such directory (looked for <dir>/public)",
    ),
    (
        'directory-that-is-a-file',
        '[[static]]\ndirectory = "granian.toml"\n',
        "granian.toml:2:13: static[0].directory: 'granian.toml' is not a directory",
    ),
    (
        'index-that-is-a-path',
        '[[static]]\ndirectory = "."\nindex = "a/index.html"\n',
        "granian.toml:3:9: static[0].index: 'a/index.html' is not the name of a file",
    ),
    (
        'fallback-outside',
        '[[static]]\ndirectory = "."\nfallback = "../x.html"\n',
        "granian.toml:3:12: static[0].fallback: '../x.html' is not the path of a file below the folder",
    ),
    (
        'pattern-with-a-set-that-runs-backwards',
        '[[static]]\ndirectory = "."\ncache = {"a*" = "no-cache", "[z-a]*" = "no-cache"}\n',
        "granian.toml:3:9: static[0].cache: '[z-a]*' is not a pattern: 'z-a' runs backwards; write 'a-z'",
    ),
    (
        'body-of-what-has-none',
        ''.join(f'[[rules]]\npath = "/{status}"\nreturn = {status}\nbody = "x"\n' for status in (204, 205, 304)),
        """\
granian.toml:4:8: rules[0].body: 204 has no body
granian.toml:8:8: rules[1].body: 205 has no body
granian.toml:12:8: rules[2].body: 304 has no body""",
    ),
    (
        'redirects-into-themselves',
        ''.join(
            f'[[rules]]\npath = "{path}"\nredirect = "{to}"\nkeep_path = false\n'
            for path, to in (('/loop', '/loop/x'), ('/a', '/b/../%61?q'), ('/b', '/bc'), ('/c', '/'), ('/d', '/d/e'), ('/d/e', '/'))
        ),
        """\
granian.toml:3:12: rules[0].redirect: leads to itself: '/loop/x' is below '/loop'; redirect elsewhere, or give the rule a longer path
granian.toml:7:12: rules[1].redirect: leads to itself: '/a' is below '/a'; redirect elsewhere, or give the rule a longer path""",
    ),
    (
        'redirect-to-another-host-by-a-backslash',
        '[[rules]]\nredirect = "/\\\\evil.example"\n',
        "granian.toml:2:12: rules[0].redirect: '/\\\\evil.example' is not where a redirect can go; write it like 'https://www.example.org' or '/path'",
    ),
    (
        'fallback-that-is-not-there',
        '[[static]]\ndirectory = "."\nfallback = "x.html"\n',
        "granian.toml:3:12: static[0].fallback: 'x.html' is not a file in '<dir>'",
    ),
    (
        'what-is-said-of-types',
        '[[static]]\ndirectory = "."\ncharset = "utf-8\\r\\nx: y"\nmedia_types = { glb = "modèle/x" }\ncache = { "*" = "é" }\n',
        """\
granian.toml:3:11: static[0].charset: 'utf-8\\r\\nx: y' is not the name of a charset; write it like 'utf-8'
granian.toml:4:15: static[0].media_types: glb: 'modèle/x' is not a media type like 'model/gltf-binary'
granian.toml:5:9: static[0].cache: *: 'é' is not what a header field may say""",
    ),
    (
        'name-given-twice',
        A + 'name = "x"\n' + A + 'path = "/b"\nname = "x"\n',
        "granian.toml:7:8: apps[1].name: 'x' is the name of apps[0] already",
    ),
    (
        'fallback-and-fall-through',
        '[[static]]\ndirectory = "."\nfallback = "x.html"\nfall_through = true\n',
        'granian.toml:4:16: static[0].fall_through: nothing is left to fall through: `fallback` answers for all; keep one of them',
    ),
    (
        'unknown-coding',
        '[[static]]\ndirectory = "."\nprecompressed = ["br", "gz"]\n',
        "granian.toml:3:24: static[0].precompressed[1]: 'gz' is not one of: br, zstd, gzip; did you mean 'gzip'?",
    ),
    (
        'cache-rule-that-breaks-the-line',
        '[[static]]\ndirectory = "."\ncache = { "*.js" = "a\\r\\nb" }\n',
        "granian.toml:3:9: static[0].cache: *.js: 'a\\r\\nb' is not what a header field may say",
    ),
    (
        'header-of-the-server',
        A + 'headers = { Content-Length = "3" }\n',
        'granian.toml:3:11: apps[0].headers: Content-Length is for the server to send',
    ),
    (
        'header-with-a-bad-name',
        A + 'headers = { "x y" = "3" }\n',
        "granian.toml:3:11: apps[0].headers: 'x y' is not the name of a header field",
    ),
    (
        'header-that-breaks-the-line',
        A + '[apps.headers]\nx = "a\\nb"\n',
        "granian.toml:3:1: apps[0].headers: x: 'a\\nb' has a character that no header field may have",
    ),
    (
        'header-that-is-no-text',
        A + 'headers = { x = 3 }\n',
        'granian.toml:3:11: apps[0].headers: x: 3 is not text; write it in quotes',
    ),
    (
        'header-twice',
        A + 'headers = { x-a = "1", X-A = "2" }\n',
        'granian.toml:3:11: apps[0].headers: x-a is there twice',
    ),
    (
        'headers-that-are-no-table',
        A + 'headers = "x: y"\n',
        'granian.toml:3:11: apps[0].headers: \'x: y\' is not a table; write it like { name = "value" }',
    ),
    (
        'root-path-for-rsgi',
        A + 'root_path = "/x"\n',
        'granian.toml:3:13: apps[0].root_path: RSGI has no root path; leave it out, or write strip_prefix = true',
    ),
    (
        'root-path-without-a-slash',
        A + 'interface = "asgi"\nroot_path = "x"\n',
        "granian.toml:4:13: apps[0].root_path: 'x' does not begin with a slash; write '/x'",
    ),
    (
        'strip-prefix-for-asgi',
        A + 'interface = "asgi"\npath = "/x"\nstrip_prefix = true\n',
        'granian.toml:5:16: apps[0].strip_prefix: is for RSGI; asgi has a root path',
    ),
    (
        'nothing-to-strip',
        A + 'strip_prefix = true\n',
        "granian.toml:3:16: apps[0].strip_prefix: there is nothing to strip off at '/'",
    ),
    (
        'lifespan-for-wsgi',
        A + 'interface = "wsgi"\nlifespan = "on"\n',
        'granian.toml:4:12: apps[0].lifespan: \'on\' contradicts interface = "wsgi", which knows none; write "asgi"',
    ),
    (
        'debug-for-rsgi',
        A + 'debug = true\n',
        'granian.toml:3:9: apps[0].debug: is an extension of ASGI, and this is rsgi',
    ),
    (
        'idle-timeout-out-of-range',
        A + 'blocking_threads_idle_timeout = 1\n',
        'granian.toml:3:33: apps[0].blocking_threads_idle_timeout: 1 is less than the minimum allowed value of 5s',
    ),
    (
        'unknown-key-of-an-application-limit',
        A + 'limits = { head = 1 }\n',
        'granian.toml:3:12: apps[0].limits.head: unknown key',
    ),
    (
        'websockets-for-WSGI',
        '[[apps]]\ntarget = "main:app"\ninterface = "wsgi"\nwebsockets = true\n',
        'granian.toml:4:14: apps[0].websockets: WSGI knows none; leave it out, or write false',
    ),
    (
        'messages-for-WSGI',
        '[[apps]]\ntarget = "main:app"\ninterface = "wsgi"\nwebsocket = { max_message_size = 5 }\n',
        'granian.toml:4:34: apps[0].websocket.max_message_size: WSGI knows no WebSockets; leave it out',
    ),
    (
        'engine-of-one-application',
        A + 'websocket = { engine = "wsproto" }\n',
        'granian.toml:3:15: apps[0].websocket.engine: unknown key',
    ),
    (
        'origin-of-an-application-without-a-scheme',
        A + '[apps.websocket]\norigins = ["shop.example"]\n',
        ("granian.toml:4:12: apps[0].websocket.origins[0]: 'shop.example' is not an origin; write it like "
        "'https://shop.example' or 'http://localhost:3000'"),
    ),
    (
        'no-time-to-answer-a-ping-of-an-application',
        A + '[apps.websocket]\nping_timeout = 0\n',
        'granian.toml:4:16: apps[0].websocket.ping_timeout: 0 is not more than 0s',
    ),
    (
        'origin-without-a-scheme',
        A + '[websocket]\norigins = ["shop.example"]\n',
        ("granian.toml:4:12: websocket.origins[0]: 'shop.example' is not an origin; write it like "
        "'https://shop.example' or 'http://localhost:3000'"),
    ),
    (
        'origin-with-a-path',
        A + '[websocket]\norigins = ["https://shop.example/"]\n',
        ("granian.toml:4:12: websocket.origins[0]: 'https://shop.example/' is not an origin; write it like "
        "'https://shop.example' or 'http://localhost:3000'"),
    ),
    (
        'every-origin',
        A + '[websocket]\norigins = ["*"]\n',
        "granian.toml:4:12: websocket.origins[0]: '*' is every site; leave origins out for that",
    ),
    (
        'window-that-zlib-does-not-have',
        A + '[websocket]\ncompression_window = 8\n',
        'granian.toml:4:22: websocket.compression_window: 8 is less than the minimum allowed value of 9',
    ),
    (
        'rule-without-anything-to-do',
        '[[rules]]\npath = "/x"\n',
        'granian.toml:1:1: rules[0]: says nothing to do; write redirect = "https://…" or return = 404',
    ),
    (
        'rule-that-does-both',
        '[[rules]]\nredirect = "https://x.example"\nreturn = 404\n',
        'granian.toml:3:10: rules[0].return: a rule redirects or returns; keep one of them',
    ),
    (
        'redirect-to-a-script',
        '[[rules]]\nredirect = "javascript:alert()"\n',
        "granian.toml:2:12: rules[0].redirect: 'javascript:alert()' is not where a redirect can go; write it like 'https://www.example.org' or '/path'",
    ),
    (
        'redirect-to-another-host-by-its-path',
        '[[rules]]\nredirect = "//evil.example"\n',
        "granian.toml:2:12: rules[0].redirect: '//evil.example' is not where a redirect can go; write it like 'https://www.example.org' or '/path'",
    ),
    (
        'path-behind-a-query',
        '[[rules]]\nredirect = "https://x.example/?a"\n',
        'granian.toml:2:12: rules[0].redirect: no path can be kept behind a query; write keep_path = false',
    ),
    (
        'status-of-no-redirect',
        '[[rules]]\nredirect = "https://x.example"\nstatus = 200\n',
        "granian.toml:3:10: rules[0].status: '200' is not one of: 301, 302, 303, 307, 308",
    ),
    (
        'parts-of-a-redirect-with-a-fixed-answer',
        '[[rules]]\nreturn = 404\nstatus = 308\nkeep_path = false\n',
        """\
granian.toml:3:10: rules[0].status: is for a redirect
granian.toml:4:13: rules[0].keep_path: is for a redirect""",
    ),
    (
        'body-of-a-redirect',
        '[[rules]]\nredirect = "https://x.example"\nbody = "y"\n',
        'granian.toml:3:8: rules[0].body: a redirect has no body',
    ),
    ('body-of-304', '[[rules]]\nreturn = 304\nbody = "y"\n', 'granian.toml:3:8: rules[0].body: 304 has no body'),
    (
        'interim-status',
        '[[rules]]\nreturn = 100\n',
        'granian.toml:2:10: rules[0].return: 100 is less than the minimum allowed value of 200',
    ),
    (
        'rule-at-the-place-of-another',
        '[[rules]]\nreturn = 404\n[[rules]]\nreturn = 410\n',
        "granian.toml:3:1: rules[1].path: would never be reached: rules[0] has '/' already; give one of them another path or hosts",
    ),
    ('mount-that-is-a-table', '[static]\ndirectory = "."\n', 'granian.toml:1:1: static: must be a list of tables, like [[static]], not a table'),
]  # fmt: skip


@pytest.mark.parametrize(('toml', 'faults'), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_faulty_mount_is_reported_with_line_column_and_remedy(toml, faults, report, tmp_path):
    expected = f'{faults.replace("<dir>", str(tmp_path))}\n1 file has faults; nothing was started'

    assert report(toml) == expected


@pytest.mark.parametrize(
    'toml',
    [
        A + 'path = "/a"\n' + A + 'path = "/a"\nhosts = ["x.example"]\n',
        A + 'path = "/a"\n' + A + 'path = "/A"\n',
        A + 'hosts = ["*.example"]\n' + A + 'hosts = ["x.example"]\n',
        A + '[[static]]\npath = "/"\ndirectory = "."\nfall_through = true\n',
        A + '[[static]]\npath = "/"\ndirectory = "."\nfall_through = true\n' * 2,
        A + 'hosts = ["x.example", "x.example"]\n',
    ],
)
def test_mounts_at_different_places_are_no_fault(toml, loaded):
    assert loaded(toml, needs_app=True)


def test_folder_or_rule_alone_is_a_server(loaded):
    assert loaded('[[static]]\ndirectory = "."\n', needs_app=True)
    assert loaded('[[rules]]\nreturn = 404\n', needs_app=True)
