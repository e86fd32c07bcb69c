"""Hypothesis strategies for requests: bodies that the published schema and the real API both accept."""

from typing import Any

from hypothesis import strategies as st

Body = dict[str, Any]

texts = st.text(max_size=20)
names = st.text("abcXYZ019_-", min_size=1, max_size=64)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=8,
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The strategy's values, or null where the published schema lets a parameter be null."""
    return st.none() | strategy


def part(kind: str, member: st.SearchStrategy[Any]) -> st.SearchStrategy[Body]:
    return st.fixed_dictionaries({"type": st.just(kind), kind: member})


text_parts = part("text", texts)
image_parts = part(
    "image_url",
    st.fixed_dictionaries(
        {"url": st.just("https://example.com/cat.png")}, optional={"detail": st.sampled_from(["auto", "low", "high"])}
    ),
)
audio_parts = part(
    "input_audio", st.fixed_dictionaries({"data": st.just("UklGRg=="), "format": st.sampled_from(["wav", "mp3"])})
)
file_parts = part("file", st.fixed_dictionaries({}, optional={"filename": texts, "file_data": texts, "file_id": texts}))
plain_content = texts | st.lists(text_parts, min_size=1, max_size=3)
user_content = texts | st.lists(text_parts | image_parts | audio_parts | file_parts, min_size=1, max_size=3)
assistant_content = texts | st.lists(text_parts | part("refusal", texts), min_size=1, max_size=2)

function_calls = st.fixed_dictionaries({"name": names, "arguments": texts})


def message(role: str, optional: Body | None = None, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Body]:
    return st.fixed_dictionaries({"role": st.just(role)} | members, optional=optional or {})


single_messages = st.one_of(
    message("system", {"name": names}, content=plain_content),
    message("developer", {"name": names}, content=plain_content),
    message("user", {"name": names}, content=user_content),
    message(
        "assistant",
        {"name": names, "refusal": maybe(texts), "audio": maybe(st.fixed_dictionaries({"id": texts}))},
        content=assistant_content,
    ),
    message("assistant", {"content": st.none()}, refusal=texts),
    message("assistant", {"content": st.none()}, function_call=function_calls),
    message("function", content=maybe(texts), name=names),
)


@st.composite
def tool_rounds(draw: st.DrawFn) -> list[Body]:
    """An assistant message with calls, and a result for each in any order."""
    ids = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    function = st.builds(lambda call: {"type": "function", "function": call}, function_calls)
    custom = st.builds(
        lambda call: {"type": "custom", "custom": call}, st.fixed_dictionaries({"name": names, "input": texts})
    )
    calls = [draw(function | custom) | {"id": call_id} for call_id in ids]
    asked = {"role": "assistant", "tool_calls": calls} | draw(st.fixed_dictionaries({}, optional={"content": texts}))
    answered = [
        {"role": "tool", "tool_call_id": call_id, "content": draw(plain_content)}
        for call_id in draw(st.permutations(ids))
    ]
    return [asked, *answered]


conversations = st.lists(st.lists(single_messages, min_size=1, max_size=2) | tool_rounds(), min_size=1, max_size=3).map(
    lambda turns: [spoken for turn in turns for spoken in turn]
)

schemas = st.fixed_dictionaries({}, optional={"type": st.just("object"), "properties": st.just({"city": {}})})
functions = st.fixed_dictionaries(
    {"name": names}, optional={"description": texts, "parameters": schemas, "strict": maybe(st.booleans())}
)
grammars = st.fixed_dictionaries({"definition": texts, "syntax": st.sampled_from(["lark", "regex"])})
custom_tools = st.fixed_dictionaries(
    {"name": names},
    optional={
        "description": texts,
        "format": st.just({"type": "text"}) | st.builds(lambda g: {"type": "grammar", "grammar": g}, grammars),
    },
)
tools = part("function", functions) | part("custom", custom_tools)

response_formats = st.one_of(
    st.just({"type": "text"}),
    part(
        "json_schema",
        st.fixed_dictionaries(
            {"name": names}, optional={"description": texts, "schema": schemas, "strict": maybe(st.booleans())}
        ),
    ),
)

free_parameters: dict[str, st.SearchStrategy[Any]] = {
    "n": maybe(st.integers(1, 128)),
    "temperature": maybe(st.floats(0, 2) | st.integers(0, 2)),
    "top_p": maybe(st.floats(0, 1)),
    "presence_penalty": maybe(st.floats(-2, 2)),
    "frequency_penalty": maybe(st.floats(-2, 2)),
    "user": texts,
    "seed": maybe(st.integers(-(2**53), 2**53)),
    "safety_identifier": maybe(st.text(min_size=1, max_size=64)),
    "prompt_cache_key": maybe(texts),
    "response_format": response_formats,
    "service_tier": maybe(st.sampled_from(["auto", "default", "flex", "scale", "priority", "fast"])),
    "reasoning_effort": maybe(st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])),
    "verbosity": maybe(st.sampled_from(["low", "medium", "high"])),
    "logit_bias": maybe(st.dictionaries(st.integers(0, 99999).map(str), st.integers(-100, 100), max_size=3)),
    "stop": maybe(texts | st.lists(texts, min_size=1, max_size=4)),
    "store": maybe(st.booleans()),
    "metadata": maybe(st.dictionaries(st.text(max_size=64), texts, max_size=16)),
    "prediction": maybe(
        st.fixed_dictionaries(
            {"type": st.just("content"), "content": texts | st.lists(text_parts, min_size=1, max_size=2)}
        )
    ),
    "modalities": maybe(st.lists(st.sampled_from(["text", "audio"]), max_size=2)),
    "web_search_options": st.just({"search_context_size": "low"}),
}

bound_parameters: list[st.SearchStrategy[Body]] = [
    st.fixed_dictionaries({"max_tokens": st.integers(1, 9999)}, optional={"max_completion_tokens": st.none()}),
    st.fixed_dictionaries({"max_completion_tokens": st.integers(1, 9999)}),
    st.fixed_dictionaries(
        {"stream": st.just(True)},
        optional={
            "stream_options": maybe(
                st.fixed_dictionaries(
                    {}, optional={"include_usage": st.booleans(), "include_obfuscation": st.booleans()}
                )
            )
        },
    ),
    st.fixed_dictionaries({"stream": maybe(st.just(False))}),
    st.fixed_dictionaries({"logprobs": st.just(True)}, optional={"top_logprobs": st.integers(0, 20)}),
    st.fixed_dictionaries({"logprobs": maybe(st.just(False))}),
]


@st.composite
def tool_parameters(draw: st.DrawFn) -> Body:
    """Tools, and a choice among them."""
    offered = draw(st.lists(tools, min_size=1, max_size=3))
    named = [{"type": tool["type"], tool["type"]: {"name": tool[tool["type"]]["name"]}} for tool in offered]
    allowed = st.fixed_dictionaries(
        {"mode": st.sampled_from(["auto", "required"]), "tools": st.lists(st.sampled_from(named), max_size=3)}
    )
    choices = st.one_of(
        st.sampled_from(["none", "auto", "required"]),
        st.sampled_from(named),
        st.builds(lambda among: {"type": "allowed_tools", "allowed_tools": among}, allowed),
    )
    body: Body = {"tools": offered}
    return body | draw(
        st.fixed_dictionaries({}, optional={"tool_choice": choices, "parallel_tool_calls": st.booleans()})
    )


@st.composite
def function_parameters(draw: st.DrawFn) -> Body:
    """The deprecated way: functions, and a choice among them."""
    offered = draw(st.lists(functions, min_size=1, max_size=3))
    names_offered = [{"name": function["name"]} for function in offered]
    body: Body = {"functions": offered}
    choices = st.sampled_from(["none", "auto"]) | st.sampled_from(names_offered)
    return body | draw(st.fixed_dictionaries({}, optional={"function_call": choices}))


@st.composite
def valid_requests(draw: st.DrawFn) -> Body:
    """A body that fits `CreateChatCompletionRequest` and breaks none of the real API's further rules."""
    body: Body = {"model": draw(st.text(min_size=1, max_size=20)), "messages": draw(conversations)}
    body |= draw(st.fixed_dictionaries({}, optional=free_parameters))
    for group in draw(st.lists(st.sampled_from(bound_parameters), max_size=2)):
        body |= {key: value for key, value in draw(group).items() if key not in body}
    nothing: st.SearchStrategy[Body] = st.just({})
    body |= draw(nothing | tool_parameters() | function_parameters())
    if "stream_options" in body and not body.get("stream"):
        del body["stream_options"]
    if "top_logprobs" in body and not body.get("logprobs"):
        del body["top_logprobs"]
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        del body["max_tokens"]
    return body
