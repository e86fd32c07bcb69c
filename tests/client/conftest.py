from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.client.wire import ScriptedServer

Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives these replies in turn; it is stopped when the test ends."""
    with ExitStack() as stack:
        yield lambda *replies: stack.enter_context(ScriptedServer(replies))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shell says about OpenAI or proxies is not for tests."""
    for name in (
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
