"""Settings from the environment: `EFACT_BRIDGE__HUB__BASE_URL`, two underscores between names.

Everything but the accounts can come from there. All values are texts there, so `30` is a number
and `true` is true; a list is written as in JSON.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from bridge.errors import SettingsError

PREFIX = "EFACT_BRIDGE__"


def variable_of(names: Iterable[str]) -> str:
    """Return the name of the variable for a setting."""
    return PREFIX + "__".join(names).upper()


def read_environment(model: type[BaseModel], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the environment has, as nested tables of JSON values.

    Raises SettingsError for a variable that belongs to no setting.
    """
    found: dict[str, Any] = {}
    for variable, text in environ.items():
        if variable.startswith(PREFIX):
            *tables, name = variable.removeprefix(PREFIX).lower().split("__")
            kind = _kind_of(model, *tables, name)
            if kind is None:
                raise SettingsError(f"environment variable {variable}: there is no such setting")
            table = found
            for key in tables:
                table = table.setdefault(key, {})
            table[name] = _read(text, kind)
    return found


def _kind_of(model: type[BaseModel], *keys: str) -> Any:  # noqa: ANN401  (any type that pydantic knows)  (a type form)
    """Return the type of a single setting; None for tables, accounts, and what does not exist."""
    kind: Any = model
    for key in keys:
        if not _is_table(kind) or key not in kind.model_fields or key == "account":
            return None
        kind = kind.model_fields[key].annotation
    return None if _is_table(kind) else kind


def _is_table(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _read(text: str, kind: Any) -> object:  # noqa: ANN401  (any type that pydantic knows)
    """Return the value that a text stands for; the text itself where it stands for none."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        if get_origin(kind) is tuple:
            return list(adapter.validate_json(text))
        return adapter.validate_strings(text) if kind in (bool, int, float) else text
    except ValidationError:
        return text
