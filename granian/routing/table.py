"""(host, path) → mount. Compiled once; what a look-up costs does not grow with the number of mounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from granian.protocol.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

M = TypeVar('M')

# RFC 1035 2.3.4: no name is longer; suffixes of what is longer are not looked for.
NAME_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mount is.

    `path`: '/', or '/a/b' for itself and all below it; decoded. `hosts`: names in lower case, `*.name` for all names
    that end in `.name`; () for every host.
    """

    path: str
    hosts: tuple[str, ...] = ()


class Table(Generic[M]):
    """Which mounts hold a path: those of the exact host first, then those of the longest suffix, … then those of every host.

    Among the mounts of one host the longest path comes first; at the same place, the one that was given first.
    """

    def __init__(self, entries: Sequence[tuple[Place, M]]) -> None:
        self._everywhere: _Tree[M] = _Tree(None)
        self._named: dict[str, _Tree[M]] = {}
        hosts = {host for place, _ in entries for host in place.hosts}
        # Short suffixes before long ones, names last: each falls back on one that is there.
        for host in sorted(hosts, key=lambda host: (not host.startswith('*.'), host.count('.'), host)):
            self._named[host] = _Tree(self._under(host.removeprefix('*')))
        for place, mount in entries:
            for tree in [self._named[host] for host in place.hosts] or [self._everywhere]:
                tree.add(place.path, mount)
        # Authorities as they were sent, for those that were looked up before.
        self._known: Memory[_Tree[M]] = Memory(entries_max=256, key_bytes_max=128)
        self._recent = self._known.recent.get

    def find(self, authority: bytes | None, path: str) -> M | None:
        """The first mount that holds `path`, which is decoded but as it was sent."""
        tree: _Tree[M] | None = self._everywhere
        if self._named and authority is not None:
            tree = self._recent(authority) or self._tree(authority)
        if '/.' in path or '//' in path:
            path = resolved(path)
        while tree is not None:
            found = tree.root.first
            children = tree.root.children
            start = 0
            # A path need not begin with a slash: '*' (RFC 9112 3.2.4).
            while children and start >= 0:
                end = path.find('/', start + 1)
                node = children.get(path[start:] if end < 0 else path[start:end])
                if node is None:
                    break
                if node.first is not None:
                    found = node.first
                children, start = node.children, end
            if found is not None:
                return found
            tree = tree.otherwise
        return None

    def find_all(self, authority: bytes | None, path: str) -> list[M]:
        """All mounts that hold `path`, each once, the one that `find` gives first."""
        tree = self._everywhere if authority is None else self._tree(authority)
        path = resolved(path)
        # A mount may be on a host and on a suffix that covers it.
        return list(dict.fromkeys(mount for each in tree.chain() for mount in each.find_all(path)))

    def _tree(self, authority: bytes) -> _Tree[M]:
        tree = self._known.recall(authority)
        if tree is None:
            name = host_name(authority)
            tree = self._named.get(name) or self._under('.' + name)
            self._known.keep(authority, tree, len(authority))
        return tree

    def _under(self, name: str) -> _Tree[M]:
        """The mounts of the longest suffix that `.name` has beyond itself."""
        while len(name) <= NAME_CHARS_MAX + 1 and (dot := name.find('.', 1)) > 0:
            name = name[dot:]
            tree = self._named.get('*' + name)
            if tree is not None:
                return tree
        return self._everywhere


class _Node(Generic[M]):
    """A segment of a path: what is mounted there, and the segments that may follow, each with the slash before it."""

    __slots__ = ('children', 'first', 'mounts')

    def __init__(self) -> None:
        self.children: dict[str, _Node[M]] = {}
        self.mounts: list[M] = []
        # Of the mounts; apart from them, since that is what is asked for.
        self.first: M | None = None


class _Tree(Generic[M]):
    """The mounts of one host. `otherwise`: where to look for what none of them holds."""

    __slots__ = ('otherwise', 'root')

    def __init__(self, otherwise: _Tree[M] | None) -> None:
        self.root: _Node[M] = _Node()
        self.otherwise = otherwise

    def add(self, path: str, mount: M) -> None:
        node = self.root
        for segment in path.split('/'):
            if segment:
                node = node.children.setdefault('/' + segment, _Node())
        node.mounts.append(mount)
        node.first = node.mounts[0]

    def find_all(self, path: str) -> list[M]:
        node = self.root
        groups = [node.mounts]
        for segment in path.split('/')[1:]:
            below = node.children.get('/' + segment)
            if below is None:
                break
            node = below
            groups.append(node.mounts)
        return [mount for mounts in reversed(groups) for mount in mounts]

    def chain(self) -> Iterator[_Tree[M]]:
        tree: _Tree[M] | None = self
        while tree is not None:
            yield tree
            tree = tree.otherwise


def resolved(path: str) -> str:
    """A decoded path without dot segments (RFC 3986 5.2.4) and without empty ones but for a closing slash."""
    parts = path.split('/')
    kept: list[str] = []
    for part in parts:
        if part == '..':
            del kept[-1:]
        elif part not in {'', '.'}:
            kept.append(part)
    end = '/' if kept and parts[-1] in {'', '.', '..'} else ''
    return f'/{"/".join(kept)}{end}'


def host_name(authority: bytes) -> str:
    """The name in an authority: lower case, without port and without the dot of the root."""
    text = authority.decode('latin-1').lower()
    name = text[: text.find(']') + 1] if text.startswith('[') else text.partition(':')[0]
    return name.removesuffix('.')
