"""The OpenAPI document is complete: each operation says what it does, with examples that hold."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from ew.api.examples import ANSWERS, REQUESTS


@pytest.fixture
def document(make_app: Callable[..., FastAPI]) -> dict[str, Any]:
    return make_app().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def is_valid(document: dict[str, Any], schema: dict[str, Any], example: Any) -> None:
    Draft202012Validator({"components": document["components"], **schema}).validate(example)


def test_every_operation_has_a_summary_a_description_and_a_scope(
    document: dict[str, Any],
) -> None:
    summaries = [operation["summary"] for _, operation in operations(document)]
    assert len(summaries) > 20
    assert len(set(summaries)) == len(summaries)
    for name, operation in operations(document):
        assert len(operation["summary"].split()) >= 3, name
        assert len(operation["summary"]) < 140, name
        assert operation["description"].startswith(operation["summary"][:20]), name
        assert operation["x-scope"], name
        for parameter in operation.get("parameters", []):
            assert parameter["schema"], name


def test_every_operation_documents_its_errors(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        errors = {code: one for code, one in operation["responses"].items() if code >= "400"}
        assert {"400", "401", "403", "422", "429", "500", "503"} <= set(errors), name
        for code, one in errors.items():
            assert "application/problem+json" in one["content"], (name, code)
    is_valid(
        document,
        {"$ref": "#/components/schemas/Problem"},
        *document["components"]["schemas"]["Problem"]["examples"],
    )


def test_every_answer_has_an_example_of_its_schema(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for code, answer in operation["responses"].items():
            if code >= "300":
                continue
            for media, content in answer.get("content", {}).items():
                assert "example" in content, (name, code, media)
                is_valid(document, content["schema"], content["example"])


def test_every_body_has_an_example_of_its_schema(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            if media == "application/vnd.apache.parquet":
                continue  # no text
            assert "example" in content, (name, media)
            is_valid(document, content["schema"], content["example"])


def test_no_example_is_of_an_operation_that_is_gone(document: dict[str, Any]) -> None:
    there = dict(operations(document))
    assert set(ANSWERS) | set(REQUESTS) <= set(there)
