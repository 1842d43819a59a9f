"""What upstream's own names say, taken as upstream takes it: a deployment that starts there starts here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.config.reading.tree import Node, find, key_text
from granian.config.types.bind import parse_bind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from granian.config.reading.positions import Path as KeyPath


def _names(flag: str) -> frozenset[str]:
    """The flag, its variable and the argument that stands for it."""
    name = flag.removeprefix('--').replace('-', '_')
    return frozenset({flag, f'GRANIAN_{name.upper()}', name})


_ROUTE, _INDEX = _names('--static-path-route'), _names('--static-path-dir-to-file')
_PREFIX, _PERMISSIONS = _names('--url-path-prefix'), _names('--uds-permissions')


def leniently(root: Node, unused: list[str]) -> Node:
    """The document as upstream means it. `unused`: what was left out since it has no effect there either, for the log."""
    root = _without(root, ('apps', 0, 'root_path'), _rsgi_has_none(root), unused)
    root = _without(root, ('listeners', 0, 'permissions'), _no_socket_file(root), unused)
    folders = items_of(root, 'static')
    if not folders:
        return root
    return Node({**root.value, 'static': Node([*map(_folder, folders)], root.value['static'].origin)}, root.origin)


def items_of(root: Node, section: str) -> list[Node]:
    node, depth = find(root, (section,))
    return node.value if depth and isinstance(node.value, list) else []


def _folder(folder: Node) -> Node:
    if not isinstance(folder.value, dict):
        return folder
    own, more = folder.value, dict[str, Node]()
    route, index = own.get('path'), own.get('index')
    # At '/': upstream asks folders first, and whatever they have not is the application's.
    if (
        route is not None
        and route.origin.name in _ROUTE
        and _is_root(route)
        and not {'fall_through', 'fallback'} & own.keys()
    ):
        more['fall_through'] = Node(True, route.origin)
    # Upstream answers for a folder with or without its slash.
    if index is not None and index.origin.name in _INDEX and 'index_redirect' not in own:
        more['index_redirect'] = Node(False, index.origin)
    return Node({**own, **more}, folder.origin) if more else folder


def _is_root(route: Node) -> bool:
    return isinstance(route.value, str) and set(route.value) == {'/'}


def _rsgi_has_none(root: Node) -> str:
    interface, depth = find(root, ('apps', 0, 'interface'))
    is_rsgi = depth < 3 or (isinstance(interface.value, str) and interface.value.lower() == 'rsgi')
    return 'RSGI has no root path' if is_rsgi and _said_by(root, ('apps', 0, 'root_path'), _PREFIX) else ''


def _no_socket_file(root: Node) -> str:
    if not _said_by(root, ('listeners', 0, 'permissions'), _PERMISSIONS):
        return ''
    bind, depth = find(root, ('listeners', 0, 'bind'))
    try:
        is_unix = depth == 3 and parse_bind(bind.value).kind == 'unix'
    except ValueError:
        # A fault of its own.
        return ''
    return '' if is_unix else 'there is no Unix socket'


def _said_by(root: Node, path: KeyPath, names: frozenset[str]) -> bool:
    node, depth = find(root, path)
    return depth == len(path) and node.origin.name in names


def _without(root: Node, path: KeyPath, why: str, unused: list[str]) -> Node:
    """The document without that key, where there is a reason."""
    if not why:
        return root
    unused.append(f'{find(root, path)[0].origin.where()}: {key_text(path)} has no effect: {why}')
    return _taken_out(root, path)


def _taken_out(node: Node, path: KeyPath) -> Node:
    first, rest = path[0], path[1:]
    held: Mapping[str, Node] | list[Node] = node.value
    if isinstance(held, list):
        return Node(
            [_taken_out(item, rest) if index == first else item for index, item in enumerate(held)], node.origin
        )
    if not rest:
        return Node({key: item for key, item in held.items() if key != first}, node.origin)
    return Node({key: _taken_out(item, rest) if key == first else item for key, item in held.items()}, node.origin)
