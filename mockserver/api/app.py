"""The application: which path is which endpoint.

Any path that ends in `/chat/completions` is the endpoint, because SDKs add prefixes of their own: `/openai/v1`, `/v1/v1`,
Azure's `/openai/deployments/NAME/chat/completions`, our `/scenarios/NAME/v1`.
"""

from collections.abc import Mapping

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mockserver.api import catalog
from mockserver.api.chat import plan_chat
from mockserver.api.metrics import plan_metrics
from mockserver.api.service import Endpoint, MakePlan, Service


class _ByMethod:
    """Sends preflights to one endpoint, everything else to another."""

    def __init__(self, endpoint: ASGIApp, preflight: ASGIApp) -> None:
        self._endpoint = endpoint
        self._preflight = preflight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._preflight if scope["method"] == "OPTIONS" else self._endpoint
        await endpoint(scope, receive, send)


def make_app(service: Service, more: Mapping[str, MakePlan] | None = None) -> ASGIApp:
    """The application that answers for `service`; `more` are further paths, which leave no trace in the journal."""
    preflight = Endpoint(service, catalog.plan_preflight, in_journal=False)
    table = {
        **{path: Endpoint(service, make_plan, in_journal=False) for path, make_plan in (more or {}).items()},
        "/healthz": Endpoint(service, catalog.plan_health, in_journal=False),
        "/metrics": Endpoint(service, plan_metrics, in_journal=False),
        "/models": Endpoint(service, catalog.plan_models),
        "/{prefix:path}/models": Endpoint(service, catalog.plan_models),
        "/models/{model:path}": Endpoint(service, catalog.plan_model),
        "/{prefix:path}/models/{model:path}": Endpoint(service, catalog.plan_model),
    }
    unknown = Endpoint(service, catalog.plan_unknown_path)
    # A bare router: no middleware stands between a request and its endpoint.
    router = Router(
        [Route(path, _ByMethod(endpoint, preflight)) for path, endpoint in table.items()],
        redirect_slashes=False,
        default=_ByMethod(unknown, preflight),
    )
    return _ChatFirst(_ByMethod(Endpoint(service, plan_chat), preflight), router, frozenset(more or ()))


class _ChatFirst:
    """Takes the one path that all this is for past the router, which would try every other before it."""

    def __init__(self, chat: ASGIApp, others: ASGIApp, taken: frozenset[str]) -> None:
        self._chat = chat
        self._others = others
        self._taken = taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_chat = scope["type"] == "http" and scope["path"].endswith("/chat/completions")
        await (self._chat if is_chat and scope["path"] not in self._taken else self._others)(scope, receive, send)
