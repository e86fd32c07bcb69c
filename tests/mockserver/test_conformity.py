"""Chunks and completions against what OpenAI publishes: its OpenAPI schemas, and the models of its own SDK.

Known departures, all named here: `reasoning_content` is our addition, and custom tool calls in a stream have a shape that
neither schema nor SDK knows (`without_additions`); `system_fingerprint` is null with newer models, against the schema.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from jsonschema import Draft202012Validator, ValidationError
from openai import BaseModel
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from mockserver.chunks import obfuscate
from mockserver.reply import Reply, ToolCall
from mockserver.request import ChatRequest
from tests.mockserver.strategies_local import ask, function_tools, groups, replies, requests, stream, whole

Json = dict[str, Any]

PUBLISHED = json.loads((Path(__file__).parents[1] / "schemas" / "openai-chat.openapi.json").read_text())


def as_json_schema(node: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema: `nullable` spelled out, and objects closed, so that nothing unknown passes."""
    if isinstance(node, list):
        return [as_json_schema(member) for member in node]
    if not isinstance(node, dict):
        return node
    schema = {key: as_json_schema(value) for key, value in node.items() if key != "nullable"}
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    return {"anyOf": [schema, {"type": "null"}]} if node.get("nullable") is True else schema


SCHEMAS = as_json_schema(PUBLISHED["components"]["schemas"])


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})


CHUNK, COMPLETION = validator("CreateChatCompletionStreamResponse"), validator("CreateChatCompletionResponse")


def without_additions(value: Json) -> Json:
    """A chunk or completion without our additions: no reasoning, and custom calls of a stream written as functions."""
    copy: Json = json.loads(json.dumps(value))
    for choice in copy["choices"]:
        for key in choice.keys() & {"delta", "message"}:
            choice[key].pop("reasoning_content", None)
        for call in choice.get("delta", {}).get("tool_calls", []):
            if "custom" in call:
                custom = call.pop("custom")
                call["function"] = {{"input": "arguments"}.get(member, member): custom[member] for member in custom}
                call |= {"type": "function"} if "type" in call else {}
    return copy


def extras(model: BaseModel, path: str = "") -> Iterator[str]:
    """What a model was given that it does not know."""
    yield from (f"{path}.{name}" for name in model.model_extra or {})
    for name in type(model).model_fields:
        value = getattr(model, name)
        for member in value if isinstance(value, list) else [value]:
            if isinstance(member, BaseModel):
                yield from extras(member, f"{path}.{name}")


def chunks_of(reply: Reply, request: ChatRequest, group: tuple[int, ...] = ()) -> list[Json]:
    return [chunk.data for chunk in obfuscate(stream(reply, request, group), "7")]


# The published schemas


@given(replies(), requests(), groups)
def test_every_chunk_fits_the_published_schema_with_nothing_unknown(
    reply: Reply, request: ChatRequest, group: tuple[int, ...]
) -> None:
    for chunk in chunks_of(reply, request, group):
        CHUNK.validate(without_additions(chunk))


@given(replies(), requests())
def test_the_whole_answer_fits_the_published_schema_with_nothing_unknown(reply: Reply, request: ChatRequest) -> None:
    COMPLETION.validate(without_additions(whole(reply, request)))


BROKEN: list[tuple[str, Any]] = [
    ("id", None),
    ("object", "chat.completion"),
    ("created", "now"),
    ("choices", None),
    ("usage", {"prompt_tokens": 1}),
    ("service_tier", "turbo"),
    ("system_fingerprint", None),
    ("surprise", 1),
]


@pytest.mark.parametrize(("key", "value"), BROKEN, ids=[key for key, _ in BROKEN])
def test_the_schema_as_translated_does_refuse(key: str, value: Any) -> None:
    [chunk, *_] = chunks_of(Reply(content="Hi"), ask())
    CHUNK.validate(chunk)
    with pytest.raises(ValidationError):
        CHUNK.validate(chunk | {key: value})


def test_null_is_allowed_just_where_the_schema_says_nullable() -> None:
    chunk = chunks_of(Reply(content="Hi"), ask(stream=True, stream_options={"include_usage": True}))[1]
    assert chunk["usage"] is None
    assert chunk["choices"][0]["finish_reason"] is None
    CHUNK.validate(chunk)
    chunk["choices"][0]["index"] = None
    with pytest.raises(ValidationError, match="None is not of type 'integer'"):
        CHUNK.validate(chunk)


CUSTOM = Reply(reasoning="Hm", tool_calls=(ToolCall("f", type="custom", input="x"),))


def test_the_additions_are_all_that_the_schema_would_refuse() -> None:
    chunks = chunks_of(CUSTOM, ask())
    refused = [error for chunk in chunks for error in CHUNK.iter_errors(chunk)]
    assert {error.message for error in refused} == {
        "Additional properties are not allowed ('reasoning_content' was unexpected)",
        "Additional properties are not allowed ('custom' was unexpected)",
        "'custom' is not one of ['function']",
    }
    [error] = COMPLETION.iter_errors(whole(CUSTOM, ask()))
    assert error.message == "Additional properties are not allowed ('reasoning_content' was unexpected)"


# The SDK's own models

knows_all = pytest.mark.skipif(
    "obfuscation" not in ChatCompletionChunk.model_fields,
    reason="the models of this older SDK do not know all that OpenAI sends",
)


@knows_all
@given(replies(), requests(), groups)
def test_every_chunk_fits_the_sdks_model_and_comes_out_as_it_went_in(
    reply: Reply, request: ChatRequest, group: tuple[int, ...]
) -> None:
    for chunk in chunks_of(reply, request, group):
        sent = without_additions(chunk)
        model = ChatCompletionChunk.model_validate(sent)
        assert list(extras(model)) == []
        assert model.model_dump(exclude_unset=True) == sent


@knows_all
@given(replies(), requests())
def test_the_whole_answer_fits_the_sdks_model_and_comes_out_as_it_went_in(reply: Reply, request: ChatRequest) -> None:
    completion = whole(reply, request)
    model = ChatCompletion.model_validate(completion)
    assert set(extras(model)) <= {".choices.message.reasoning_content"}
    assert model.model_dump(exclude_unset=True) == completion


@knows_all
def test_what_the_sdk_does_not_know_is_seen() -> None:
    chunk = chunks_of(Reply(content="Hi"), ask())[1]
    chunk["choices"][0]["delta"]["surprise"] = 1
    assert list(extras(ChatCompletionChunk.model_validate(chunk))) == [".choices.delta.surprise"]


def test_reasoning_reaches_the_user_of_the_sdk() -> None:
    model = ChatCompletionChunk.model_validate(chunks_of(CUSTOM, ask())[1])
    assert model.choices[0].delta.model_extra == {"reasoning_content": "Hm"}


# The SDK's own accumulator


@knows_all
@given(replies(function_tools), requests())
def test_the_sdks_accumulator_makes_the_whole_answer_of_the_stream(reply: Reply, request: ChatRequest) -> None:
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks_of(reply, request):
        state.handle_chunk(ChatCompletionChunk.model_validate(without_additions(chunk)))
    found = state.current_completion_snapshot
    expected = without_additions(whole(reply, request))
    for choice, told in zip(found.choices, expected["choices"], strict=True):
        message, said = choice.message, told["message"]
        assert (message.role, message.content, message.refusal) == (said["role"], said["content"], said["refusal"])
        assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []] == [
            (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in said.get("tool_calls", [])
        ]
        assert choice.finish_reason == told["finish_reason"]
        assert (choice.logprobs.model_dump() if choice.logprobs else None) == told["logprobs"]
    if request.include_usage:
        assert found.usage is not None
        assert found.usage.model_dump(exclude_unset=True) == expected["usage"]


# The strategies

KINDS: dict[str, Callable[[Json], Any]] = {
    "text": lambda choice: choice["message"]["content"],
    "empty text": lambda choice: choice["message"]["content"] == "",
    "refusal": lambda choice: choice["message"]["refusal"] and not choice["message"]["content"],
    "reasoning": lambda choice: choice["message"].get("reasoning_content"),
    "parallel calls": lambda choice: len(choice["message"].get("tool_calls", [])) > 1,
    "custom call": lambda choice: any("custom" in call for call in choice["message"].get("tool_calls", [])),
    "function call": lambda choice: choice["message"].get("function_call"),
    "logprobs": lambda choice: (choice["logprobs"] or {}).get("content"),
    "cut arguments": lambda choice: choice["finish_reason"] == "length" and choice["message"].get("tool_calls"),
    "content filter": lambda choice: choice["finish_reason"] == "content_filter",
}


def test_the_strategies_make_every_kind_of_answer() -> None:
    """Were they to make plain text only, the properties above would say little."""
    seen: set[str] = set()

    @settings(max_examples=300, phases=[Phase.generate], derandomize=True, database=None)
    @given(replies(), requests())
    def look(reply: Reply, request: ChatRequest) -> None:
        made = whole(reply, request)["choices"]
        seen.update(kind for kind, is_there in KINDS.items() if any(map(is_there, made)))

    look()
    assert seen == KINDS.keys()
