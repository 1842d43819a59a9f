"""A document whose every value knows where it came from, and how two of them become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from granian.config.faults import Fault
from granian.config.reading.positions import Path as KeyPath
from granian.config.reading.positions import Place, Spot
from granian.config.types.values import Given

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOWHERE = Place(Spot(0, 0), Spot(0, 0))

NO_ITEMS = 'is not a list: it has no items'


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from. `name`: the file as it was named, the variable, the flag, the argument."""

    kind: Literal['default', 'file', 'secret', 'env file', 'variable', 'flag', 'argument']
    name: str = ''
    place: Place = _NOWHERE
    # A variable's file: env files and secrets.
    file: str = ''

    def where(self, *, at_key: bool = False) -> str:
        """As a fault names it."""
        if self.kind == 'file':
            spot = self.place.key if at_key else self.place.value
            return f'{self.name}:{spot.line}:{spot.column}'
        if self.kind == 'env file':
            return f'{self.file}:{self.place.value.line} {self.name}'
        words = {'default': '', 'variable': 'environment'}
        return f'{words.get(self.kind, self.kind)} {self.name}'.strip()

    def __str__(self) -> str:
        if self.kind == 'file':
            return f'{self.name}:{self.place.key.line}'
        return 'default' if self.kind == 'default' else self.where()

    def fault(self, key: str, message: str, *, at_key: bool = False) -> Fault:
        kinds = {'default': '', 'env file': 'file', 'secret': 'file'}
        source = self.file if self.kind == 'env file' else self.name
        return Fault(self.where(at_key=at_key), key, message, source, kinds.get(self.kind, self.kind))


@dataclass(frozen=True, slots=True)
class Items:
    """Some items of a list, by index: the rest of the list below stays."""

    by_index: dict[int, Node]


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its origin. `value`: a table, a list, items of a list, or a scalar."""

    value: Any
    origin: Origin


ROOT = Node({}, Origin('default'))


def key_text(path: KeyPath) -> str:
    """`('listeners', 0, 'bind')` → `listeners[0].bind`."""
    text = ''
    for part in path:
        text += f'[{part}]' if isinstance(part, int) else f'.{part}' if text else part
    return text


def nested(path: KeyPath, leaf: Node) -> Node:
    """A document with this one value in it."""
    for part in reversed(path):
        leaf = Node({part: leaf} if isinstance(part, str) else Items({part: leaf}), leaf.origin)
    return leaf


def from_plain(value: Any, origin: Origin, base: Path, *, loose: bool = False) -> Node:
    """Parsed data as a document of one origin."""
    if isinstance(value, dict):
        return Node({str(key): from_plain(item, origin, base, loose=loose) for key, item in value.items()}, origin)
    if isinstance(value, (list, tuple)):
        return Node([from_plain(item, origin, base, loose=loose) for item in value], origin)
    return Node(Given(value, base=base, loose=loose) if isinstance(value, str) else value, origin)


def merge(low: Node | None, high: Node, path: KeyPath, faults: list[Fault]) -> Node:
    """`high` over `low`, key by key. A list replaces; items of a list replace those items."""
    if isinstance(high.value, Items):
        return _merge_items(low, high, path, faults)
    if not isinstance(high.value, dict):
        return high
    below = low.value if low is not None and isinstance(low.value, dict) else {}
    merged = dict(below)
    for key, node in high.value.items():
        merged[key] = merge(below.get(key), node, (*path, key), faults)
    return Node(merged, high.origin)


def gather(first: Node | None, second: Node, faults: list[Fault], path: KeyPath = ()) -> Node:
    """Both of one source: as `merge`, but items stay items, to be merged into the list of a source below."""
    if first is None:
        return second
    if type(first.value) is not type(second.value):
        return _replaced(first, second, faults, path)
    if isinstance(second.value, Items):
        return Node(Items(_gathered(first.value.by_index, second.value.by_index, faults, path)), second.origin)
    if isinstance(second.value, dict):
        return Node(_gathered(first.value, second.value, faults, path), second.origin)
    return second


def _replaced(first: Node, second: Node, faults: list[Fault], path: KeyPath) -> Node:
    """Two shapes for one key in one source."""
    if isinstance(second.value, Items):
        return merge(first, second, path, faults)
    if isinstance(first.value, Items) and not isinstance(second.value, list):
        faults.append(first.origin.fault(key_text(path), NO_ITEMS))
    return second


def _gathered(first: dict[Any, Node], second: dict[Any, Node], faults: list[Fault], path: KeyPath) -> dict[Any, Node]:
    return first | {key: gather(first.get(key), node, faults, (*path, key)) for key, node in second.items()}


def _merge_items(low: Node | None, high: Node, path: KeyPath, faults: list[Fault]) -> Node:
    if low is not None and not isinstance(low.value, list):
        faults.append(high.origin.fault(key_text(path), NO_ITEMS))
        return low
    items: list[Node] = [] if low is None else list(low.value)
    for index, node in sorted(high.value.by_index.items()):
        if index > len(items):
            message = f'there is no such item: the list has {len(items)}; the next is {key_text(path)}[{len(items)}]'
            # It is appended all the same, so that what is wrong inside of it is reported too.
            faults.append(node.origin.fault(key_text((*path, index)), message))
        below = items[index] if index < len(items) else None
        items[index : index + 1] = [merge(below, node, (*path, index), faults)]
    return Node(items, high.origin if low is None else low.origin)


def plain(node: Node) -> Any:
    """The data alone."""
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def find(root: Node, path: KeyPath) -> tuple[Node, int]:
    """The node at the path or the nearest above it, and how many parts of the path lead there."""
    node = root
    for depth, part in enumerate(path):
        below = _child(node.value, part)
        if below is None:
            return node, depth
        node = below
    return node, len(path)


def _child(value: Any, part: str | int) -> Node | None:
    if isinstance(value, dict):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def leaves(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
    """Every scalar with its path."""
    if isinstance(node.value, dict):
        for key, item in node.value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(node.value, list) and node.value:
        for index, item in enumerate(node.value):
            yield from leaves(item, (*path, index))
    else:
        yield path, node
