"""Access rights over HTTP: keys with scopes, known by their hashes alone.

Reading (``viewer``) is open unless a key with that scope is configured. Registering devices
(``vendor``), another agency's origins (``partner``) and an operator's actions need a key with the
scope; an operator's key has all scopes. Without any key, devices can be registered, since the API
then listens on this machine alone.
"""

import hmac
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request, Response, WebSocket
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from ew.api.backend import Backend
from ew.api.problems import documented
from ew.config.service import ApiKey, Scope, ServiceConfig, hash_of

BEARER = HTTPBearer(auto_error=False, description="an API key")
SCOPE = "x-scope"
"""The member that names an operation's scope in the OpenAPI document."""
SHARED = "api_token"
"""The name of the plain token, which several clients share."""
CHALLENGE = {"WWW-Authenticate": "Bearer"}
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


def backend_of(request: Request) -> Backend:
    """The service behind the application that serves a request."""
    backend: Backend = request.app.state.service
    return backend


def keys_of(config: ServiceConfig) -> list[ApiKey]:
    """All keys of a configuration, the plain token among them by its hash."""
    keys = list(config.api_keys)
    if config.api_token is not None:
        scopes: tuple[Scope, ...] = ("vendor", "partner")
        keys.append(ApiKey(name=SHARED, sha256=hash_of(config.api_token), scopes=scopes))
    return keys


def known_key(config: ServiceConfig, secret: str) -> ApiKey | None:
    """The key with this secret; each is compared, in constant time."""
    hashed = hash_of(secret)
    found = None
    for key in keys_of(config):
        if hmac.compare_digest(key.sha256, hashed):
            found = key
    return found


def may_speak_for(config: ServiceConfig, secret: str, source: str, event_id: str) -> bool:
    """Whether the key may send an origin of ``source`` under ``event_id`` (SOURCE-ID).

    A source in ``service.partners`` needs the key of that name, the shared token, or an operator's:
    else any partner could claim to be the one that is trusted alone, or end its events.
    """
    owner = next((p.name for p in config.partners if event_id.startswith(f"{p.name}-")), None)
    if owner is None:
        return True
    key = known_key(config, secret)
    return source == owner and (
        key is not None and (key.name in (owner, SHARED) or "operator" in key.scopes)
    )


def is_open(config: ServiceConfig, scope: Scope) -> bool:
    """Whether a scope needs no key."""
    keys = keys_of(config)
    if scope == "viewer":
        return not any("viewer" in key.scopes for key in keys)
    return scope == "vendor" and not keys


class Needs:
    """A dependency that admits holders of a key with a scope; it returns the key, if any."""

    def __init__(self, scope: Scope) -> None:
        self.scope: Scope = scope

    def __call__(self, request: Request, credentials: Credentials) -> ApiKey | None:
        """Check a request.

        Raises:
            HTTPException: 401 without a known key, 403 if the key has not the scope or none has.
        """
        config: ServiceConfig = request.app.state.service.config.service
        keys = keys_of(config)
        if is_open(config, self.scope):
            return None
        if not any(key.has(self.scope) for key in keys):
            raise HTTPException(403, f"no key with scope {self.scope!r} is configured")
        key = None if credentials is None else known_key(config, credentials.credentials)
        if key is None:
            raise HTTPException(401, "a bearer token is needed", CHALLENGE)
        if not key.has(self.scope):
            raise HTTPException(403, f"key {key.name!r} has not the scope {self.scope!r}")
        request.state.key = key
        return key


def may_look_on(config: ServiceConfig, socket: WebSocket) -> bool:
    """Whether a WebSocket's client may read; a browser can give its key as ``?key=`` alone."""
    if is_open(config, "viewer"):
        return True
    bearer = socket.headers.get("authorization", "").removeprefix("Bearer ")
    key = known_key(config, bearer or socket.query_params.get("key", ""))
    return key is not None and key.has("viewer")


def needing(scope: Scope, *codes: int, answers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The keyword arguments a route is declared with: its scope, and what it may answer.

    ``codes``: statuses of problems beyond those that every route may answer with. ``answers``:
    media types of the answer with the JSON schema type of each, for a route that makes its response
    itself.
    """
    declared: dict[str, Any] = {
        "dependencies": [Depends(Needs(scope))],
        "openapi_extra": {SCOPE: scope},
        "responses": documented(400, 401, 403, 413, 422, 429, 500, 503, *codes),
    }
    if answers is not None:
        content = {media: {"schema": {"type": kind}} for media, kind in answers.items()}
        declared["response_class"] = Response
        declared["responses"][200] = {"description": "Successful Response", "content": content}
    return declared
