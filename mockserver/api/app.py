"""The application: which path is which endpoint.

Any path that ends in `/chat/completions` is the endpoint, because SDKs add prefixes of their own: `/openai/v1`, `/v1/v1`,
Azure's `/openai/deployments/NAME/chat/completions`, our `/scenarios/NAME/v1`.
"""

from collections.abc import Awaitable, Mapping
from functools import cached_property

from starlette.types import ASGIApp, Receive, Scope, Send

from mockserver.api import catalog
from mockserver.api.chat import plan_chat
from mockserver.api.endpoint import Endpoint, MakePlan
from mockserver.api.metrics import plan_metrics
from mockserver.api.service import Service


class _ByMethod:
    """Sends preflights to one endpoint, everything else to another."""

    def __init__(self, endpoint: ASGIApp, preflight: ASGIApp) -> None:
        self._endpoint = endpoint
        self._preflight = preflight

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        endpoint = self._preflight if scope["method"] == "OPTIONS" else self._endpoint
        return endpoint(scope, receive, send)


def make_app(service: Service, more: Mapping[str, MakePlan] | None = None) -> ASGIApp:
    """The application that answers for `service`; `more` are further paths, which leave no trace in the journal."""
    return _App(service, more or {})


class _App:
    """Takes the one path that all this is for past the router, which would try every other before it."""

    def __init__(self, service: Service, more: Mapping[str, MakePlan]) -> None:
        self._service = service
        self._more = more
        self._preflight = Endpoint(service, catalog.plan_preflight, in_journal=False)
        self._chat = _ByMethod(Endpoint(service, plan_chat), self._preflight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_chat = scope["type"] == "http" and scope["path"].endswith("/chat/completions")
        await (self._chat if is_chat and scope["path"] not in self._more else self._router)(scope, receive, send)

    @cached_property
    def _router(self) -> ASGIApp:
        # Here: what Starlette's takes to load is a sixth of the time to the first answer, and most servers are asked to chat only.
        from starlette.routing import Route, Router

        service = self._service
        table = {
            **{path: Endpoint(service, make_plan, in_journal=False) for path, make_plan in self._more.items()},
            "/healthz": Endpoint(service, catalog.plan_health, in_journal=False),
            "/metrics": Endpoint(service, plan_metrics, in_journal=False),
            "/models": Endpoint(service, catalog.plan_models),
            "/{prefix:path}/models": Endpoint(service, catalog.plan_models),
            "/models/{model:path}": Endpoint(service, catalog.plan_model),
            "/{prefix:path}/models/{model:path}": Endpoint(service, catalog.plan_model),
        }
        unknown = Endpoint(service, catalog.plan_unknown_path)
        # A bare router: no middleware stands between a request and its endpoint.
        return Router(
            [Route(path, _ByMethod(endpoint, self._preflight)) for path, endpoint in table.items()],
            redirect_slashes=False,
            default=_ByMethod(unknown, self._preflight),
        )
