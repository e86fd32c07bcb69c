"""What `mockserver.transport` and `mockserver.loop` take for granted of uvicorn's inside, and the check that it is so still.

uvicorn promises none of these names. The oldest and the newest version that we claim are tested; one in between or to come
that has changed is told by name at start, not by some strange failure in the middle of a stream.
"""

import uvicorn
from uvicorn.server import ServerState

from mockserver.errors import MockServerError

# class -> the methods, and the attributes set by its __init__ or `load`, that we use or override.
_INNER_NAMES: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    uvicorn.Config: (("load",), ("timeout_keep_alive", "loaded_app")),
    uvicorn.Server: (("_serve", "startup", "main_loop", "shutdown"), ("server_state",)),
    ServerState: ((), ("connections", "tasks")),
}


def check_uvicorn() -> None:
    """Raise `MockServerError` if the installed uvicorn no longer has the inner names that this package rests on."""
    missing = [
        f"{kind.__name__}.{name}"
        for kind, (methods, attributes) in _INNER_NAMES.items()
        for names, there in ((methods, dir(kind)), (attributes, _assigned(kind)))
        for name in names
        if name not in there
    ]
    if missing:
        raise MockServerError(
            f"uvicorn {uvicorn.__version__} has changed inside: {', '.join(missing)} not found. "
            "Install a version of uvicorn that this release of openai-mockserver was tested with"
        )


def _assigned(kind: type) -> set[str]:
    """The names that the methods which make an object ready speak of."""
    methods = (getattr(kind, name, None) for name in ("__init__", "load"))
    return {name for method in methods if method is not None for name in method.__code__.co_names}
