"""The application: which path is which endpoint.

Any path that ends in `/chat/completions` is the endpoint, because SDKs add prefixes of their own: `/openai/v1`, `/v1/v1`,
Azure's `/openai/deployments/NAME/chat/completions`, our `/scenarios/NAME/v1`.
"""

from collections.abc import Mapping

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mockserver.api import catalog
from mockserver.api.chat import plan_chat
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
        "/chat/completions": Endpoint(service, plan_chat),
        "/{prefix:path}/chat/completions": Endpoint(service, plan_chat),
        "/healthz": Endpoint(service, catalog.plan_health, in_journal=False),
        "/models": Endpoint(service, catalog.plan_models),
        "/{prefix:path}/models": Endpoint(service, catalog.plan_models),
        "/models/{model:path}": Endpoint(service, catalog.plan_model),
        "/{prefix:path}/models/{model:path}": Endpoint(service, catalog.plan_model),
    }
    unknown = Endpoint(service, catalog.plan_unknown_path)
    # A bare router: no middleware stands between a request and its endpoint.
    return Router(
        [Route(path, _ByMethod(endpoint, preflight)) for path, endpoint in table.items()],
        redirect_slashes=False,
        default=_ByMethod(unknown, preflight),
    )
