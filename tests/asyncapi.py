"""Messages held against docs/asyncapi.yaml."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml


@cache
def _document() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def check(topic: str, payload: bytes) -> str:
    """The channel a message belongs to; it must conform to that channel's schema."""
    document = _document()
    for name, channel in document["channels"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", channel["address"]), topic):
            (message,) = channel["messages"]
            schema = document["components"]["messages"][message]["payload"]
            # The document itself is the root, so that references within it are found
            jsonschema.validate(json.loads(payload), {**document, **schema})
            return str(name)
    raise AssertionError(f"no channel in docs/asyncapi.yaml has the address {topic}")
