"""What is wrong in the settings, as sentences: where it stands, which key, what is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.settings.environment import variable_of
from bridge.settings.lines import line_of

Keys = tuple[str | int, ...]

_WANTED: Mapping[str, str] = {
    "missing": "this setting is required",
    "extra_forbidden": "there is no such setting",
    "bool_type": "true or false is wanted, without quotes",
    "int_type": "a whole number is wanted, without quotes",
    "int_from_float": "a whole number is wanted",
    "float_type": "a number is wanted, without quotes",
    "finite_number": "a finite number is wanted",
    "string_type": 'a text in quotes is wanted, like "abc"',
    "path_type": "a path in quotes is wanted",
    "tuple_type": 'a list like ["a", "b"] is wanted',
    "greater_than": "more than {gt} is wanted",
    "greater_than_equal": "at least {ge} is wanted",
    "less_than_equal": "at most {le} is wanted",
    "string_pattern_mismatch": "letters, digits, dot, hyphen and underscore, at most 64; the first "
    "is a letter or a digit",
    "too_short": "at least one is wanted",
}
"""What pydantic's types of errors mean; its own words are for programmers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where settings come from: a file and its text, and what the environment has."""

    path: Path
    text: str = field(repr=False)
    environment: Mapping[str, Any]

    def place(self, keys: Keys) -> str:
        """Return where a setting stands: file, line and key, or the variable it comes from."""
        if _has(self.environment, keys):
            return f"environment variable {variable_of(_names(keys))}"
        line = line_of(self.text, keys)
        where = f"{self.path}, line {line}" if line else f"{self.path}"
        return f"{where}: {_dotted(keys)}"


def explain(error: ValidationError, source: Source) -> str:
    """Return one line for each wrong setting, in the order of the file."""
    problems = [(_keys(problem), _sentence(problem)) for problem in error.errors()]
    problems.sort(key=lambda problem: line_of(source.text, problem[0]) or 0)
    return "\n".join(
        f"{source.place(keys)}: {said}"
        for keys, said in problems
        # A table with something wrong in it is reported as missing too.
        if not any(len(other) > len(keys) and other[: len(keys)] == keys for other, _ in problems)
    )


def _has(environment: object, keys: Keys) -> bool:
    inner = environment
    for key in keys:
        if isinstance(inner, list):
            return True  # all its entries come from one variable
        if not isinstance(inner, Mapping) or key not in inner:
            return False
        inner = inner[key]
    return not isinstance(inner, Mapping)


def _dotted(keys: Keys) -> str:
    """Return `account[1].user[2].name`; people count from 1."""
    name = ".".join(f"{key}" if isinstance(key, str) else f"[{key + 1}]" for key in keys)
    return name.replace(".[", "[")


def _names(keys: Keys) -> list[str]:
    return [key for key in keys if isinstance(key, str)]


def _keys(problem: Mapping[str, Any]) -> Keys:
    return (*problem["loc"], *problem.get("ctx", {}).get("keys", ()))


def _sentence(problem: Mapping[str, Any]) -> str:
    kind, keys = problem["type"], problem["loc"]
    if keys == ("account",) and kind in ("missing", "too_short"):
        return "no account is there: write [[account]] with name, issuer and secret_file"
    if kind == "tuple_type" and keys[-1] in ("account", "user"):
        header = "account" if keys[-1] == "account" else "account.user"
        return f"write [[{header}]], with two brackets"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"this is a table: write [{'.'.join(_names(keys))}]"
    if kind == "literal_error":
        expected = str(problem["ctx"]["expected"]).replace("'", '"')
        return f"one of these is wanted: {expected}"
    if kind in _WANTED:
        return _WANTED[kind].format(**_plain(problem.get("ctx", {})))
    return str(problem["msg"]).removeprefix("Value error, ")


def _plain(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers as people write them: 300, not 300.0."""
    return {
        key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()
    }
