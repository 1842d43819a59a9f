"""How the document of all sources reaches the model: a settings source of pydantic-settings, fed by `loading`."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pydantic_settings import PydanticBaseSettingsSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

# Unset: nobody loads, so a Config has what it is given and the defaults.
_READING: ContextVar[Mapping[str, Any] | None] = ContextVar('reading', default=None)


@contextmanager
def reading(document: Mapping[str, Any]) -> Iterator[None]:
    """Within it a Config is made of this document, and does not ask for the rules between keys: `loading` collects those."""
    token = _READING.set(document)
    try:
        yield
    finally:
        _READING.reset(token)


def is_reading() -> bool:
    return _READING.get() is not None


class MergedSources(PydanticBaseSettingsSource):
    """What files, secrets, env files, environment and flags say together, by the one list of precedence."""

    def __call__(self) -> dict[str, Any]:
        return dict(_READING.get() or {})

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return (_READING.get() or {}).get(field_name), field_name, False
