"""The API held to its own OpenAPI document by a fuzzer, Schemathesis."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings

from tests.api.conftest import KEYS

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


@schemathesis.serializer("text/csv")
def as_csv(_: Any, value: Any) -> bytes:
    return str(value).encode()


not_a_server_error = schemathesis.checks.not_a_server_error
OPERATOR = {"Authorization": f"Bearer {KEYS['operator']}"}


@pytest.mark.parametrize("headers", [OPERATOR, {}])
def test_no_request_finds_a_failure(
    make_app: Callable[..., FastAPI], headers: dict[str, str]
) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", make_app())
    tried = 0
    # A stream of what happens has no end to wait for
    for found in schema.exclude(path="/api/v1/live").get_all_operations():

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=found.ok().as_strategy())
        def try_one(case: Any) -> None:
            nonlocal tried
            tried += 1
            answer = case.call(headers=headers)
            assert answer.status_code != 500
            # No service runs here: 503 is the right answer of what needs one
            case.validate_response(answer, excluded_checks=[not_a_server_error])

        try_one()
    assert tried > 200
