"""The JSON Schema of the document, for editors: draft 7, nothing by reference, which is what TOML editors read best."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from annotated_types import MinLen

from granian.config.model import Config
from granian.config.options import ITEM, Option, options, tables

if TYPE_CHECKING:
    from granian.config.options import Bounds


def schema_text() -> str:
    """The file in `schemas/`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + '\n'


def schema() -> dict[str, Any]:
    root: dict[str, Any] = {
        '$schema': 'http://json-schema.org/draft-07/schema#',
        'title': 'granian.toml',
        'description': Config.__doc__,
        'type': 'object',
        'additionalProperties': False,
        'properties': {},
    }
    for table in tables():
        _put(root, table.path, _section(table.path, table.description))
    for option in options():
        _put(root, option.path, option_schema(option))
    return root


def option_schema(option: Option) -> dict[str, Any]:
    """One key: type and range, description, default, example."""
    result: dict[str, Any] = {'description': option.description, **copy.deepcopy(option.kind.schema)}
    for branch in [result, *result.get('anyOf', ())]:
        branch.update(_bounds(option.bounds, branch.get('type')))
    if option.default is not None:
        result['default'] = option.default
    result['examples'] = [option.example]
    return result


def _section(path: tuple[str, ...], description: str) -> dict[str, Any]:
    section: dict[str, Any] = {'type': 'object', 'additionalProperties': False, 'properties': {}}
    required = [option.path[-1] for option in options() if option.path[:-1] == path and option.required]
    if required:
        section['required'] = required
    return {'description': description, **section}


def _put(root: dict[str, Any], path: tuple[str, ...], what: dict[str, Any]) -> None:
    """Hang a schema into the tree; a list of sections gets its array around the section."""
    holder = root
    names = path[:-1] if path[-1] == ITEM else path
    for name in names[:-1]:
        holder = holder['items'] if name == ITEM else holder['properties'][name]
    if path[-1] == ITEM:
        what = {'description': what['description'], 'type': 'array', 'items': what, **_list_bounds(names)}
    holder['properties'][names[-1]] = what


def _list_bounds(names: tuple[str, ...]) -> dict[str, Any]:
    bounds = [entry.min_length for entry in Config.model_fields[names[0]].metadata if isinstance(entry, MinLen)]
    return {'minItems': bounds[0]} if bounds else {}


def _bounds(bounds: Bounds, json_type: str | None) -> dict[str, Any]:
    if json_type == 'string':
        return {} if bounds.length_least is None else {'minLength': bounds.length_least}
    if json_type not in {'integer', 'number'}:
        return {}
    names = {'minimum': bounds.least, 'maximum': bounds.most, 'exclusiveMinimum': bounds.over}
    return {name: bound for name, bound in names.items() if bound is not None}
