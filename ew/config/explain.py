"""PURE: a configuration's mistakes and defaults in words, from the fields' own descriptions.

A mistake is one line: key, what is wrong, the value given, the meaning of the key; for an unknown
key the known ones are listed.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

LONGEST_VALUE = 60


def mistakes(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Each mistake of a failed validation of ``model``, as ``key: what is wrong``."""
    return [_mistake(item, model) for item in error.errors()]


def _mistake(item: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{key}: {_unknown(item['loc'], model)}"
    what = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{key}: is missing{_meaning(item['loc'], model)}"
    if item["type"] == "value_error":
        return f"{key}: {what}" if key else what
    given = repr(item["input"])
    shown = given if len(given) <= LONGEST_VALUE else given[:LONGEST_VALUE] + "…"
    return f"{key}: {what}, not {shown}{_meaning(item['loc'], model)}"


def _unknown(loc: Sequence[int | str], model: type[BaseModel]) -> str:
    owner, _ = _find(loc[:-1], model)
    names = list(owner.model_fields) if owner else []
    near = difflib.get_close_matches(str(loc[-1]), names, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"no such key; {guess}there are {', '.join(names)}"


def _meaning(loc: Sequence[int | str], model: type[BaseModel]) -> str:
    _, field = _find(loc, model)
    return f" ({field.description})" if field is not None and field.description else ""


def _find(
    loc: Sequence[int | str], model: type[BaseModel]
) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model and the field at the end of a path of keys, as far as they exist."""
    owner: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for part in loc:
        if owner is not None and isinstance(part, str) and part in owner.model_fields:
            field = owner.model_fields[part]
            owner = _inner(field.annotation)
    return owner, field


def _inner(annotation: object) -> type[BaseModel] | None:
    """The model inside ``Model``, ``tuple[Model, ...]`` or ``dict[str, Model]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _inner(one))), None)


def as_toml(config: BaseModel) -> str:
    """A configuration as a TOML file: each key under its description, unset ones commented out."""
    parts = [
        "\n".join(_table(name, section))
        for name in type(config).model_fields
        if isinstance(section := getattr(config, name), BaseModel)
    ]
    return "\n\n".join(parts) + "\n"


def _table(name: str, section: BaseModel) -> Iterator[str]:
    doc = (type(section).__doc__ or "").strip().splitlines()
    yield f"# {doc[0]}"
    yield f"[{name}]"
    tables: dict[str, BaseModel] = {}
    for key, field in type(section).model_fields.items():
        value = section.model_dump(mode="json", exclude_none=True).get(key)
        if field.description:
            yield f"# {field.description}"
        inner = getattr(section, key)
        if isinstance(inner, BaseModel):
            tables[f"{name}.{key}"] = inner
            yield f"# [{name}.{key}]: below"
        elif isinstance(value, dict):
            tables |= {f"{name}.{key}.{entry}": model for entry, model in inner.items()}
            yield f"# [{name}.{key}.NAME]: below"
        else:
            yield f"# {key} =" if value is None else f"{key} = {json.dumps(value)}"
    for table, model in tables.items():
        yield ""
        yield from _table(table, model)
