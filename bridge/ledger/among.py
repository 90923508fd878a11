"""Conditions on many values at once, in one statement however many they are.

A list of placeholders would make another statement for each number of values. SQLite keeps the last
128 of each connection for another time, some a hundred kilobytes large: megabytes that never come
again.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import JSON, BindParameter, ColumnElement, bindparam, func, select


def among(column: ColumnElement[Any], values: Iterable[object]) -> ColumnElement[bool]:
    """Tell whether a column has one of these values: texts or numbers, any number of them."""
    return _among(column, bindparam(None, list(values), type_=JSON))


def among_given(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Tell whether it has one of those that an execution gives, as a list of this name."""
    return _among(column, bindparam(name, type_=JSON))


def _among(column: ColumnElement[Any], values: BindParameter[Any]) -> ColumnElement[bool]:
    each = func.json_each(values).table_valued("value")
    return column.in_(select(each.c.value))
