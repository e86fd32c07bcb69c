"""What a client may ask: the model of a chat-completion request, checked as the real API checks.

`parse_request` turns the bytes of a body into a `ChatRequest` or raises `RequestError`; for no bytes does anything else
escape. Order of the checks, as there: JSON, model, messages there at all, each parameter, combinations, the conversation as a
whole. `parameters` and `messages` are tables in the terms of `rules`; the sentences are those of `wording`.
"""

import json
import sys
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from mockserver.errors import RequestError
from mockserver.request import wording
from mockserver.request.messages import Message, check_conversation
from mockserver.request.parameters import Body, check_parameters

DEFAULT_BODY = msgspec.json.encode(
    {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
)
"""What is asked where nobody says what: by a GET of a scenario's URL, by `mockserver show`."""

MAX_DEPTH = 128
"""Arrays and objects within each other, at most; the schemas of tools are the deepest thing that people send."""

_decoder = msgspec.json.Decoder()


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A request that passed every check. Defaults are the API's; what the server does not use itself is in `raw`."""

    model: str
    messages: tuple[Message, ...]
    raw: Body
    """The body as it was sent, unknown parameters included; of a key given twice, the last."""
    stream: bool = False
    include_usage: bool = False
    include_obfuscation: bool = True
    n: int = 1
    limit: int | None = None
    """The most tokens to generate for each choice: `max_completion_tokens`, or the older `max_tokens`."""
    stop: tuple[str, ...] = ()
    """Up to four texts that end a choice; never empty strings."""
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool = True
    functions: tuple[dict[str, Any], ...] = ()
    function_call: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: tuple[str, ...] = ()
    service_tier: str | None = None
    store: bool = False
    user: str | None = None
    metadata: dict[str, str] = {}

    @cached_property
    def fingerprint(self) -> str:
        """What tells requests apart: all they ask for, but not whether to stream, for the answer is the same one."""
        asks = {key: value for key, value in self.raw.items() if key not in ("stream", "stream_options")}
        return blake2b(json.dumps(asks, sort_keys=True).encode(), digest_size=8).hexdigest()


class OfferedTool(msgspec.Struct, frozen=True, kw_only=True):
    """One tool that the model may call, whichever of the API's three ways it was offered in."""

    kind: Literal["function", "custom"]
    name: str
    parameters: dict[str, Any] | None = None
    """The JSON Schema of a function's arguments; None: it takes none."""
    grammar: dict[str, str] | None = None
    """What a custom tool's input must be: `definition` and `syntax`; None: any text."""
    param: str
    """Where the request describes the arguments or the grammar, for errors: `tools[0].function.parameters`."""
    legacy: bool = False
    """Offered in the deprecated `functions`; a call goes into `function_call`."""


def parse_request(body: bytes, *, model: str | None = None) -> ChatRequest:
    """The request that the body holds.

    Unknown parameters are kept in `raw`, because SDKs for other providers send their own. `model` stands in where the body
    names none, as in Azure's paths. Duplicate keys: the last counts. A byte order mark, NaN, numbers beyond a double and lone
    surrogates are not JSON here.

    Raises `RequestError` with the real API's words for anything it would refuse.
    """
    raw = _decode(body, MAX_DEPTH)
    named = _check_model(raw, model)
    if "messages" not in raw:
        raise wording.missing("messages")
    if raw["messages"] is None:
        raise wording.invalid_type("messages", "an array of objects", None)
    check_parameters(raw)
    _check_json_mentioned(raw)
    check_conversation(raw["messages"])
    return _build(named, raw)


def read_object(body: bytes) -> Body:
    """The JSON object that a body holds, whether or not it is a request; an empty one if it holds none."""
    try:
        return _decode(body, sys.maxsize)
    except RequestError:
        return {}


def last_user_text(request: ChatRequest) -> str:
    """The text of the last message of the role `user`; empty if there is none or it has no text."""
    for message in reversed(request.messages):
        if message["role"] == "user":
            return message_text(message)
    return ""


def message_texts(request: ChatRequest) -> tuple[str, ...]:
    """The text of every message, in order; empty for one that has no text."""
    return tuple(message_text(message) for message in request.messages)


def message_text(message: Message) -> str:
    """The text of a message: its content, or its text parts on lines of their own."""
    content = message.get("content")
    if type(content) is str:
        return content
    parts = (part.get("text", part.get("refusal")) for part in content or ())
    return "\n".join(text for text in parts if type(text) is str)


def has_tools(request: ChatRequest) -> bool:
    """Whether the request offers any tool or, in the deprecated way, any function."""
    return bool(request.tools or request.functions)


def offered_tools(request: ChatRequest) -> tuple[OfferedTool, ...]:
    """The tools that the request offers, in its order; `tool_choice` is not looked at."""
    tools = [_read_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools)]
    for index, function in enumerate(request.functions):
        tools.append(_read_function(function, f"functions[{index}]", legacy=True))
    return tuple(tools)


def _decode(body: bytes, max_depth: int) -> Body:
    try:
        raw = _decoder.decode(body)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise wording.not_json() from error
    if type(raw) is not dict:
        raise wording.not_json()
    # Counting brackets is far cheaper than walking, and settles it for nearly every body.
    if body.count(b"{") + body.count(b"[") > max_depth and is_deeper(raw, max_depth):
        raise wording.not_json()
    return raw


def is_deeper(value: Any, depth: int) -> bool:
    """Whether a JSON value has more than `depth` levels of arrays and objects."""
    level: list[Any] = [value]
    for _ in range(depth):
        members = (member for node in level for member in (node.values() if type(node) is dict else node))
        level = [member for member in members if type(member) is dict or type(member) is list]
        if not level:
            return False
    return True


def _check_model(raw: Body, default: str | None) -> str:
    named = raw.get("model")
    if named is None or named == "":
        if default is None:
            raise wording.no_model()
        return default
    if type(named) is not str:
        # The model is read before the rest is checked, and a wrong one passes for an unreadable body there.
        raise wording.not_json()
    return named


def _check_json_mentioned(raw: Body) -> None:
    """Hold that JSON mode was announced to the model in words, without which the real API refuses it."""
    if (raw.get("response_format") or {}).get("type") != "json_object":
        return
    if not any("json" in message_text(message).lower() for message in raw["messages"]):
        raise RequestError(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )


def _build(model: str, raw: Body) -> ChatRequest:
    given = {key: value for key, value in raw.items() if value is not None and key in _AS_SENT}
    given |= {key: tuple(raw[key]) for key in _AS_TUPLES if raw.get(key) is not None}
    options = raw.get("stream_options") or {}
    stop = raw.get("stop")
    return ChatRequest(
        model=model,
        raw=raw,
        include_usage=bool(options.get("include_usage")),
        include_obfuscation=options.get("include_obfuscation") is not False,
        limit=raw.get("max_completion_tokens") or raw.get("max_tokens"),
        stop=tuple(text for text in ((stop,) if type(stop) is str else stop or ()) if text),
        **given,
    )


_AS_TUPLES = ("messages", "tools", "functions", "modalities")
_AS_SENT = (
    frozenset(ChatRequest.__struct_fields__)
    - frozenset(_AS_TUPLES)
    - {
        "model",
        "raw",
        "include_usage",
        "include_obfuscation",
        "limit",
        "stop",
    }
)


def _read_tool(tool: dict[str, Any], place: str) -> OfferedTool:
    if tool["type"] == "function":
        return _read_function(tool["function"], f"{place}.function")
    described = tool["custom"]
    return OfferedTool(
        kind="custom",
        name=described["name"],
        grammar=(described.get("format") or {}).get("grammar"),
        param=f"{place}.custom.format.grammar",
    )


def _read_function(function: dict[str, Any], place: str, *, legacy: bool = False) -> OfferedTool:
    return OfferedTool(
        kind="function",
        name=function["name"],
        parameters=function.get("parameters"),
        param=f"{place}.parameters",
        legacy=legacy,
    )
