"""What `mockserver.transport` and `mockserver.loop` take for granted of uvicorn's inside, and the check that it is so still.

uvicorn promises none of these names. The oldest and the newest version that we claim are tested; one in between or to come
that has changed is told by name at start, not by some strange failure in the middle of a stream.
"""

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from mockserver.errors import MockServerError

# class -> the methods, and the attributes set by its __init__, that we use or override.
_INNER_NAMES: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    HttpToolsProtocol: (
        ("connection_made", "connection_lost", "eof_received", "data_received", "on_header", "on_headers_complete", "on_body",
         "on_message_complete", "on_response_complete", "resume_writing", "_unset_keepalive_if_required"),
        ("parser", "pipeline", "cycle", "transport", "flow", "headers", "scope", "loop"),
    ),
    RequestResponseCycle: (
        ("run_asgi", "receive"),
        ("response_started", "response_complete", "disconnected", "message_event", "more_body"),
    ),
    FlowControl: (("pause_reading", "resume_reading", "resume_writing"), ()),
    uvicorn.Server: (("_serve", "startup", "main_loop", "shutdown"), ("server_state",)),
    ServerState: ((), ("connections", "tasks")),
}  # fmt: skip


def check_uvicorn() -> None:
    """Raise `MockServerError` if the installed uvicorn no longer has the inner names that this package rests on."""
    missing = [
        f"{kind.__name__}.{name}"
        for kind, (methods, attributes) in _INNER_NAMES.items()
        for names, there in ((methods, dir(kind)), (attributes, kind.__init__.__code__.co_names))  # type: ignore[misc]
        for name in names
        if name not in there
    ]
    if missing:
        raise MockServerError(
            f"uvicorn {uvicorn.__version__} has changed inside: {', '.join(missing)} not found. "
            "Install a version of uvicorn that this release of openai-mockserver was tested with"
        )
