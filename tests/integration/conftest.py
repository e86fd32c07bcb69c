"""Servers for tests over real sockets."""

import asyncio
from collections.abc import Iterator

import pytest

from mockserver import loop
from mockserver.server import MockServer


@pytest.fixture
def server() -> Iterator[MockServer]:
    """A server for one test, without the default scenarios: it answers what the test tells it to."""
    with MockServer(strict=True) as server:
        yield server


@pytest.fixture(params=["uvloop", "asyncio"])
def any_loop_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    """The same, on each of the event loops."""
    if request.param == "asyncio":
        monkeypatch.setattr(loop, "new_event_loop", asyncio.new_event_loop)
    with MockServer(strict=True) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    """No proxy of this machine stands between a client and a server of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,::1,localhost")
        yield
