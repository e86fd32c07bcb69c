"""What the package shows, what it needs, and that its sync and async halves are one."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import client
from client.collect import acollect, collect
from client.stream import AsyncChatStream, ChatStream, astream_chat, open_http, open_http_async, stream_chat

PACKAGE = Path(client.__file__).parent
ORDER = [
    "errors",
    "limits",
    "completion",
    "shape",
    "textchunk",
    "toolcalls",
    "parts",
    "accumulate",
    "events",
    "sse",
    "reports",
    "whole",
    "stopwatch",
    "reader",
    "deadline",
    "retry",
    "steps",
    "exchange",
    "call",
    "transport",
    "stream",
    "collect",
    "consumer",
    "__main__",
    "__init__",
]


def imports_of(module: str) -> set[str]:
    """What a module of the package imports when it is imported, by full name."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    typing_only = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    skipped = {id(inner) for node in typing_only for inner in ast.walk(node)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_every_module_stands_in_the_order() -> None:
    assert sorted(ORDER) == sorted(path.stem for path in PACKAGE.glob("*.py"))


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_from_those_before_it(module: str) -> None:
    own = {name.removeprefix("client.") for name in imports_of(module) if name.startswith("client.")}
    assert own <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("module", ORDER)
def test_no_module_imports_the_server_or_the_sdk(module: str) -> None:
    assert not {name.split(".")[0] for name in imports_of(module)} & {"mockserver", "openai", "typer", "rich"}


@pytest.mark.parametrize("module", ORDER[: ORDER.index("call")])
def test_the_modules_below_the_surface_do_no_io(module: str) -> None:
    doing = {
        "httpx2",
        "httpcore2",
        "anyio",
        "asyncio",
        "socket",
        "select",
        "threading",
        "os",
        "sys",
        "io",
        "subprocess",
    }
    assert not {name.split(".")[0] for name in imports_of(module)} & doing


def test_importing_the_package_brings_neither_the_server_nor_the_sdk() -> None:
    code = "import client, sys; print(sorted({'openai', 'mockserver', 'typer', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_public_names_are_pinned() -> None:
    assert client.__all__ == sorted(client.__all__)
    assert set(client.__all__) == {
        *(
            "Accumulator",
            "AsyncChatStream",
            "Audio",
            "ChatError",
            "ChatReader",
            "ChatStream",
            "Choice",
            "Comment",
            "Completion",
        ),
        *(
            "Delta",
            "Event",
            "FunctionCall",
            "Ignored",
            "Limits",
            "MalformedError",
            "NotAStreamError",
            "NotReachedError",
        ),
        *("Parser", "RefusedError", "ReportedError", "Retries", "Retry", "StalledError", "Timings", "TooLargeError"),
        *("ToolCall", "TruncatedError", "Unfinished", "accumulate", "acollect", "astream_chat", "collect", "open_http"),
        *("open_http_async", "stream_chat"),
    }
    assert all(hasattr(client, name) for name in client.__all__)


def shape_of(function: Any) -> list[tuple[str, object, object]]:
    """A signature, with what is async by nature named as its sync counterpart."""
    return [
        (name, parameter.kind, (str(parameter.annotation).replace("Async", ""), parameter.default))
        for name, parameter in inspect.signature(function).parameters.items()
    ]


@pytest.mark.parametrize(
    ("sync", "asynchronous"),
    [
        (stream_chat, astream_chat),
        (collect, acollect),
        (open_http, open_http_async),
        (ChatStream.__init__, AsyncChatStream.__init__),
    ],
)
def test_sync_and_async_functions_have_the_same_signature(sync: Any, asynchronous: Any) -> None:
    assert shape_of(sync) == shape_of(asynchronous)


def test_sync_and_async_streams_have_the_same_surface() -> None:
    def surface(kind: type) -> dict[str, str]:
        named = {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}
        return {
            name: "property" if isinstance(value, property) else str(shape_of(value)) for name, value in named.items()
        }

    assert surface(ChatStream) == surface(AsyncChatStream)
    entering = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__"}
    assert all(hasattr(ChatStream, sync) and hasattr(AsyncChatStream, other) for sync, other in entering.items())
