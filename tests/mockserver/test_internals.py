from collections.abc import Callable

import pytest
import uvicorn
from uvicorn.server import ServerState

from mockserver.api import Service, Settings, make_app
from mockserver.errors import MockServerError
from mockserver.internals import check_uvicorn
from mockserver.loop import LoopThread, listen


def test_this_uvicorn_has_the_inner_names_we_rest_on() -> None:
    check_uvicorn()


def without(method: Callable[..., object], name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Make a release out of this one in which `method` does not speak of the attribute `name`."""
    code = method.__code__

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        names = tuple(f"{each}_renamed" if each == name else each for each in code.co_names)
        monkeypatch.setattr(method, "__code__", code.replace(co_names=names))

    return patch


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "Config.load": lambda patch: patch.delattr(uvicorn.Config, "load"),
    "Config.loaded_app": without(uvicorn.Config.load, "loaded_app"),
    "Config.timeout_keep_alive": without(uvicorn.Config.__init__, "timeout_keep_alive"),
    "Server._serve": lambda patch: patch.delattr(uvicorn.Server, "_serve"),
    "ServerState.tasks": without(ServerState.__init__, "tasks"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_uvicorn_that_has_changed_inside_is_told_by_name_and_version(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    CHANGES[name](monkeypatch)
    with pytest.raises(
        MockServerError, match=rf"uvicorn [0-9.]+ has changed inside: .*{name}.* not found\. Install a version"
    ):
        check_uvicorn()


def test_all_that_has_changed_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Server._serve", "ServerState.tasks"):
        CHANGES[name](monkeypatch)
    with pytest.raises(MockServerError, match=r"inside: Server\._serve, ServerState\.tasks not found"):
        check_uvicorn()


def test_a_server_does_not_start_on_a_uvicorn_that_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    CHANGES["ServerState.tasks"](monkeypatch)
    with listen("127.0.0.1", 0) as listener, pytest.raises(MockServerError, match="has changed inside"):
        LoopThread(make_app(Service(Settings())), listener)
