from collections.abc import Callable

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mockserver.api import Service, Settings, make_app
from mockserver.errors import MockServerError
from mockserver.internals import check_uvicorn
from mockserver.loop import LoopThread, listen


def test_this_uvicorn_has_the_inner_names_we_rest_on() -> None:
    check_uvicorn()


def without(kind: type, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Make `kind` look like a release in which the attribute `name` is not set by its `__init__`."""
    code = kind.__init__.__code__  # type: ignore[misc]

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        names = tuple(f"{each}_renamed" if each == name else each for each in code.co_names)
        monkeypatch.setattr(kind.__init__, "__code__", code.replace(co_names=names))  # type: ignore[misc]

    return patch


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "HttpToolsProtocol.on_response_complete": lambda patch: patch.delattr(HttpToolsProtocol, "on_response_complete"),
    "HttpToolsProtocol._unset_keepalive_if_required": (
        lambda patch: patch.delattr(HttpToolsProtocol, "_unset_keepalive_if_required")
    ),
    "HttpToolsProtocol.pipeline": without(HttpToolsProtocol, "pipeline"),
    "RequestResponseCycle.receive": lambda patch: patch.delattr(RequestResponseCycle, "receive"),
    "RequestResponseCycle.message_event": without(RequestResponseCycle, "message_event"),
    "FlowControl.pause_reading": lambda patch: patch.delattr(FlowControl, "pause_reading"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_uvicorn_that_has_changed_inside_is_told_by_name_and_version(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    CHANGES[name](monkeypatch)
    with pytest.raises(
        MockServerError, match=rf"uvicorn [0-9.]+ has changed inside: {name} not found\. Install a version"
    ):
        check_uvicorn()


def test_all_that_has_changed_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RequestResponseCycle.receive", "FlowControl.pause_reading"):
        CHANGES[name](monkeypatch)
    with pytest.raises(
        MockServerError, match=r"inside: RequestResponseCycle\.receive, FlowControl\.pause_reading not found"
    ):
        check_uvicorn()


def test_a_server_does_not_start_on_a_uvicorn_that_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    CHANGES["FlowControl.pause_reading"](monkeypatch)
    with listen("127.0.0.1", 0) as listener, pytest.raises(MockServerError, match="has changed inside"):
        LoopThread(make_app(Service(Settings())), listener)
