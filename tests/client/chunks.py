"""Chunks as tests write them: short ways to make one, and Hypothesis strategies for any."""

from typing import Any

from hypothesis import strategies as st

HEAD: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}


def chunk(delta: object = None, finish: str | None = None, *, index: int = 0, **more: object) -> dict[str, Any]:
    """A chunk with one choice; `more` are keys of the chunk."""
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {**HEAD, "choices": [choice], **more}


def text(content: str, finish: str | None = None, *, index: int = 0) -> dict[str, Any]:
    """A chunk that adds text."""
    return chunk({"content": content}, finish, index=index)


def call(**piece: object) -> dict[str, Any]:
    """A chunk with one piece of a tool call: keys `name` and `arguments` go into its function."""
    function = {key: piece.pop(key) for key in ("name", "arguments") if key in piece}
    return chunk({"tool_calls": [{**piece, **({"function": function} if function else {})}]})


words = st.sampled_from(["", "a", "b", "é", "那", "😀", " the", '{"x":', "1}"])
maybe_words = st.none() | words
names = st.sampled_from(["", "f", "g"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "u", "v"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["p", "q"]), inner, max_size=2),
    max_leaves=4,
)
functions = st.fixed_dictionaries(
    {}, optional={"name": st.none() | names, "arguments": maybe_words | st.just({"x": 1}), "extra": values}
)
pieces = st.fixed_dictionaries(
    {},
    optional={
        "index": st.none() | st.integers(-1, 2),
        "id": st.none() | st.sampled_from(["", "t1", "t2"]),
        "type": st.sampled_from([None, "", "function", "custom"]),
        "function": st.none() | functions,
        "custom": st.none() | st.fixed_dictionaries({}, optional={"name": names, "input": maybe_words}),
        "extra_content": values,
    },
)
parts = st.sampled_from(
    [
        "a",
        {"type": "text", "text": "b"},
        {"type": "thinking", "thinking": [{"type": "text", "text": "c"}]},
        {"type": "thinking", "thinking": "d"},
        {"type": "image", "url": "e"},
    ]
)
audio = st.fixed_dictionaries(
    {},
    optional={
        "id": words,
        "data": st.sampled_from(["QQ==", "QUI=", "QUJD", "?="]),
        "transcript": words,
        "expires_at": st.just(9),
    },
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from([None, "", "assistant"]),
        "content": maybe_words | st.lists(parts, max_size=3),
        "refusal": maybe_words,
        "reasoning": maybe_words | values.filter(lambda value: not isinstance(value, str)),
        "reasoning_content": maybe_words,
        "tool_calls": st.none() | st.lists(pieces, max_size=3),
        "function_call": st.none() | functions,
        "audio": st.none() | audio,
        "unknown": values,
    },
)
logprobs = st.fixed_dictionaries(
    {}, optional={"content": st.none() | st.lists(values, max_size=2), "refusal": st.none()}
)
usages: st.SearchStrategy[dict[str, int] | None] = (
    st.none() | st.just({}) | st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9)})
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "index": st.none() | st.integers(0, 2),
        "delta": st.none() | deltas,
        "message": deltas,
        "finish_reason": st.sampled_from([None, "", "stop", "length"]),
        "logprobs": st.none() | logprobs,
        "usage": usages,
        "content_filter_results": values,
    },
)
chunks = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([None, "", "c1", "c2"]),
        "object": st.just("chat.completion.chunk"),
        "created": st.sampled_from([None, 0, 5, 6.5]),
        "model": st.sampled_from([None, "", "m1"]),
        "service_tier": st.sampled_from([None, "default", "on_demand"]),
        "system_fingerprint": st.sampled_from([None, "fp1", "fp2"]),
        "choices": st.none() | st.lists(choices, max_size=3),
        "usage": usages,
        "x_groq": st.none() | st.fixed_dictionaries({}, optional={"usage": usages, "id": words}),
        "citations": values,
        "obfuscation": words,
    },
)

odd = values | st.sampled_from([-1, 1.5, "é", "QQ==", [[]], [{}], {"": {}}])
"""Any JSON value."""


def odd_object(*names: str, **of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object whose keys may be anything, but are now and then what they should be."""
    return st.fixed_dictionaries({}, optional={**dict.fromkeys(names, odd), **of})


odd_bodies = odd_object("name", "arguments", "input", "x")
odd_pieces = odd_object("index", "id", "type", "x", function=odd | odd_bodies, custom=odd | odd_bodies)
odd_deltas = odd_object(
    "role", "refusal", "reasoning", "reasoning_content", "x", content=odd | st.lists(parts | odd, max_size=2)
) | st.one_of(
    odd_object(tool_calls=st.lists(odd | odd_pieces, max_size=3)),
    odd_object(function_call=odd | odd_bodies),
    odd_object(audio=odd | odd_object("id", "data", "transcript", "expires_at")),
)
odd_choices = odd_object("index", "finish_reason", "logprobs", "usage", "x", delta=odd_deltas, message=odd_deltas)
odd_chunks = odd_deltas.map(chunk) | odd_object(
    "id",
    "created",
    "model",
    "service_tier",
    "usage",
    "x_groq",
    "x",
    choices=odd | st.lists(odd | odd_choices, max_size=2),
)
