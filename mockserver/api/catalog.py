"""`GET …/models`, `GET …/models/{model}`, `GET /healthz`, CORS preflight and the answer to any other path."""

from typing import Any

import msgspec
from starlette.types import Scope

from mockserver.api.chat import check_key, check_method, check_model
from mockserver.api.service import Asked, Service
from mockserver.errors import RequestError
from mockserver.http import JSON_TYPE
from mockserver.plan import Plan, plan_body

DEFAULT_MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "o4-mini")
"""Listed where a server was not told which models there are; it answers to any name."""

_CREATED = 1721172741


def plan_models(service: Service, asked: Asked, scope: Scope) -> Plan:
    """The list of models: those the server was told of, and the scenarios, which may be named as models."""
    check_method(asked, "GET", "HEAD")
    check_key(service, asked)
    names = [*(service.settings.models or DEFAULT_MODELS), *(scenario.name for scenario in service.scenarios)]
    return _plan_json(service, asked, {"object": "list", "data": [_model(name) for name in dict.fromkeys(names)]})


def plan_model(service: Service, asked: Asked, scope: Scope) -> Plan:
    """One model; its name may have slashes."""
    check_method(asked, "GET", "HEAD")
    check_key(service, asked)
    name = scope["path_params"]["model"]
    if not name:
        return plan_unknown_path(service, asked, scope)
    check_model(service, name)
    return _plan_json(service, asked, _model(name))


def plan_health(service: Service, asked: Asked, scope: Scope) -> Plan:
    """Says that the server is up."""
    check_method(asked, "GET", "HEAD")
    return _plan_json(service, asked, {"status": "ok"})


def plan_preflight(service: Service, asked: Asked, scope: Scope) -> Plan:
    """What a browser asks before it sends a request to another origin (WHATWG Fetch, CORS preflight)."""
    headers = (
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", asked.headers.get("access-control-request-headers", "*")),
        ("Access-Control-Allow-Private-Network", "true"),
        ("Access-Control-Max-Age", "86400"),
    )
    return plan_body(200, "text/plain; charset=utf-8", b"", service.terms(asked), headers)


def plan_unknown_path(service: Service, asked: Asked, scope: Scope) -> Plan:
    """The real API's answer to a path it does not know."""
    raise RequestError(f"Invalid URL ({asked.method} {asked.path})", status=404, code="unknown_url")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "mockserver"}


def _plan_json(service: Service, asked: Asked, value: Any) -> Plan:
    return plan_body(200, JSON_TYPE, msgspec.json.encode(value), service.terms(asked))
