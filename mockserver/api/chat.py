"""`POST …/chat/completions`: the endpoint that all this is for."""

import logging
import re
from functools import lru_cache

from starlette.types import Scope

from mockserver.api.service import Asked, Service
from mockserver.errors import RequestError
from mockserver.matching import match
from mockserver.plan import Plan
from mockserver.request import DEFAULT_BODY, ChatRequest, parse_request
from mockserver.scenario import Turn

log = logging.getLogger("mockserver")

_KEPT_BYTES, _KEPT_REQUESTS, _KEPT_PATHS = 16 * 1024, 2048, 64
_SCENARIO_PATH = re.compile(r"/scenarios/([^/]+)/")
_DEPLOYMENT_PATH = re.compile(r"/deployments/([^/]+)/chat/completions$")


def plan_chat(service: Service, asked: Asked, scope: Scope) -> Plan:
    """The plan of the answer to a chat request: match, count, plan. Raises `RequestError` as the real API answers."""
    name, deployment = _read_path(asked.path)
    check_method(asked, "POST", *(() if name is None else ("GET",)))
    check_key(service, asked)
    exchange = asked.exchange
    exchange.chat = request = _read_request(service, asked, name, deployment)
    matched = match(service.scenarios, request, asked.headers, name, service.state, service.default_names)
    exchange.why = matched.why
    scenario = matched.scenario
    if scenario is None:
        check_model(service, request.model)
        if service.settings.strict:
            raise RequestError(
                f"No scenario matches this request, and the server is strict: {matched.why}.",
                status=404,
                code="no_scenario_matches",
            )
        log.info("%s: no scenario matches, the reply is made from the request: %s", asked.path, matched.why)
        return service.plan(Turn(), request, asked, service.terms(asked), repeats=True)
    exchange.scenario = scenario.name
    check_model(service, request.model)
    limits = service.charge(scenario, request)
    turn = scenario.turn(service.state.next_turn(scenario.name))
    terms = service.terms(asked, scenario, limits)
    return service.plan(turn, request, asked, terms, repeats=not scenario.sequence)


@lru_cache(_KEPT_PATHS)
def _read_path(path: str) -> tuple[str | None, str | None]:
    """The scenario and the deployment that a path names, each None where it names none."""
    scenario, deployment = _SCENARIO_PATH.match(path), _DEPLOYMENT_PATH.search(path)
    return scenario and scenario[1], deployment and deployment[1]


def _read_request(service: Service, asked: Asked, named: str | None, deployment: str | None) -> ChatRequest:
    """The request that is asked; a GET of a scenario's URL, all that some event parsers can do, asks for a plain stream."""
    if asked.method == "GET":
        return parse_request(service.settings.get_bodies.get(named or "", DEFAULT_BODY))
    parse = parse_request if len(asked.body) > _KEPT_BYTES else _parse_again
    return parse(asked.body, model=deployment)


@lru_cache(_KEPT_REQUESTS)
def _parse_again(body: bytes, model: str | None) -> ChatRequest:
    return parse_request(body, model=model)


def check_method(asked: Asked, *allowed: str) -> None:
    """Raise the real API's 405 unless the request's method is one of those allowed."""
    if asked.method not in allowed:
        raise RequestError(
            f"Not allowed to {asked.method} on {asked.path}. (HINT: Perhaps you meant to use a different HTTP method?)",
            status=405,
            code="method_not_supported",
            headers=(("Allow", ", ".join(allowed)),),
        )


def check_key(service: Service, asked: Asked) -> None:
    """Raise the real API's 401 if the server wants a key and the request has none or another one."""
    wanted = service.settings.api_key
    if wanted is None:
        return
    scheme, _, key = asked.headers.get("authorization", "").partition(" ")
    given = key.strip() if scheme.lower() == "bearer" else asked.headers.get("api-key", "")
    if not given:
        raise RequestError(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
        )
    if given != wanted:
        shown = f"{given[:3]}***{given[-4:]}" if len(given) > 8 else "***"
        raise RequestError(f"Incorrect API key provided: {shown}.", status=401, code="invalid_api_key")


def check_model(service: Service, model: str) -> None:
    """Raise the real API's 404 if the server was told which models there are and this is neither one nor a scenario."""
    known = service.settings.models
    if known and model not in known and model not in service.scenarios.by_name:
        raise RequestError(
            f"The model `{model}` does not exist or you do not have access to it.", status=404, code="model_not_found"
        )
