"""The official SDK, sync and async, and other real clients, over real sockets."""

import asyncio
import http.client
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mockserver.clock import JumpClock
from mockserver.reply import Reply
from mockserver.scenario import Scenario
from mockserver.server import MockServer
from tests.mockserver.strategies_local import function_tools, replies
from tests.support import RawClient, chat, held, wait_until

USER: list[Any] = [{"role": "user", "content": "Hello?"}]
MODEL = "gpt-4o-mini"
STALL = {"faults": [{"fault": "stall", "at": {"after_event": 1}}]}


def connect(server: MockServer, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": server.base_url, "api_key": "test", "max_retries": 0, **options})


@pytest.fixture
def client(server: MockServer) -> Iterator[openai.OpenAI]:
    with connect(server) as client:
        yield client


@pytest.fixture
async def aclient(server: MockServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=0) as client:
        yield client


def helpers(client: Any) -> Any:
    """Where this release of the SDK keeps `parse` and `stream`: the older ones under `beta`."""
    return client.chat.completions if hasattr(client.chat.completions, "parse") else client.beta.chat.completions


def text(chunks: list[Any], index: int = 0) -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(delta.content or "" for delta in deltas)


# Answers


def test_a_whole_answer(server: MockServer, client: openai.OpenAI) -> None:
    server.reply("Hello there, friend.")
    completion = client.chat.completions.create(model=MODEL, messages=USER)
    [choice] = completion.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == (
        "assistant",
        "Hello there, friend.",
        "stop",
    )
    assert completion.object == "chat.completion"
    assert completion.model == MODEL
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion._request_id is not None
    assert completion._request_id.startswith("req_")


def test_a_stream(server: MockServer, client: openai.OpenAI) -> None:
    server.reply(pieces=["Hello", " there", "."])
    chunks = list(client.chat.completions.create(model=MODEL, messages=USER, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Hello", " there", ".", None]
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", None, None, None, None]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, None, "stop"]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert [chunk.usage for chunk in chunks] == [None] * 5


def test_a_stream_with_usage(server: MockServer, client: openai.OpenAI) -> None:
    server.reply(pieces=["Hello", " there", "."])
    *chunks, last = client.chat.completions.create(
        model=MODEL, messages=USER, stream=True, stream_options={"include_usage": True}
    )
    assert [chunk.usage for chunk in chunks] == [None] * 5
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 3
    whole = client.chat.completions.create(model=MODEL, messages=USER)
    assert whole.usage == last.usage


def test_several_choices_are_interleaved(server: MockServer, client: openai.OpenAI) -> None:
    server.reply(None, choices=[{"content": "one two three"}, {"content": "uno dos"}])
    chunks = list(client.chat.completions.create(model=MODEL, messages=USER, n=2, stream=True))
    assert [text(chunks, index) for index in (0, 1)] == ["one two three", "uno dos"]
    indices = [chunk.choices[0].index for chunk in chunks]
    assert indices != sorted(indices)
    whole = client.chat.completions.create(model=MODEL, messages=USER, n=2)
    assert [choice.message.content for choice in whole.choices] == ["one two three", "uno dos"]


def test_logprobs_add_up_to_the_content(server: MockServer, client: openai.OpenAI) -> None:
    server.reply("naïve 你好 🙂")
    whole = client.chat.completions.create(model=MODEL, messages=USER, logprobs=True, top_logprobs=3)
    assert whole.choices[0].logprobs is not None
    told = whole.choices[0].logprobs.content or []
    assert b"".join(bytes(token.bytes or []) for token in told).decode() == "naïve 你好 🙂"
    assert all(len(token.top_logprobs) == 3 and token.logprob <= 0 for token in told)
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=USER, logprobs=True, top_logprobs=3, stream=True)
    )
    streamed = [
        token for chunk in chunks if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content or []
    ]
    assert streamed == told


def test_tool_calls_come_in_pieces_by_index(server: MockServer, client: openai.OpenAI) -> None:
    calls = [{"name": "get_weather", "arguments": {"city": city}} for city in ("Paris", "Rome")]
    server.reply(None, tool_calls=calls)
    tools: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    chunks = list(client.chat.completions.create(model=MODEL, messages=USER, tools=tools, stream=True))
    found: dict[int, list[str]] = {}
    for chunk in chunks:
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.function is not None
            if call.function.name:
                assert (call.id or "").startswith("call_")
                assert call.type == "function"
            found.setdefault(call.index, [call.function.name or ""])[0] += ""
            found[call.index].append(call.function.arguments or "")
    assert [(name, json.loads("".join(pieces))) for name, *pieces in found.values()] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Rome"}),
    ]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_stream_helper_accumulates(server: MockServer, client: openai.OpenAI) -> None:
    server.reply(pieces=["Hello", " there", "."])
    with helpers(client).stream(model=MODEL, messages=USER) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Hello there."
    # The role delta's empty content is a content delta too.
    assert events.count("content.delta") == 4
    assert events.count("content.done") == 1


class Weather(BaseModel):
    city: str
    degrees: float


def test_structured_output_is_parsed_whole_and_streamed(server: MockServer, client: openai.OpenAI) -> None:
    server.reply('{"city": "Paris", "degrees": 21.5}')
    parsed = helpers(client).parse(model=MODEL, messages=USER, response_format=Weather)
    assert parsed.choices[0].message.parsed == Weather(city="Paris", degrees=21.5)
    with helpers(client).stream(model=MODEL, messages=USER, response_format=Weather) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == Weather(city="Paris", degrees=21.5)
    sent = [exchange.body["response_format"]["type"] for exchange in server.requests]
    assert sent == ["json_schema", "json_schema"]


def test_tool_calls_are_parsed_by_the_model_of_their_arguments(server: MockServer, client: openai.OpenAI) -> None:
    server.reply(None, tool_calls=[{"name": "Weather", "arguments": {"city": "Paris", "degrees": 21.5}}])
    tool = openai.pydantic_function_tool(Weather)
    parsed = helpers(client).parse(model=MODEL, messages=USER, tools=[tool])
    assert parsed.choices[0].message.tool_calls[0].function.parsed_arguments == Weather(city="Paris", degrees=21.5)


def test_raw_responses_tell_headers_and_status(server: MockServer, client: openai.OpenAI) -> None:
    server.reply("Hello")
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=USER)
    assert raw.http_response.status_code == 200
    assert raw.headers["openai-version"] == "2020-10-01"
    assert int(raw.headers["x-ratelimit-limit-requests"]) > 0
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content == "Hello"
    streamed = client.chat.completions.with_raw_response.create(model=MODEL, messages=USER, stream=True)
    assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert text(list(streamed.parse())) == "Hello"


def test_streaming_responses_give_lines(server: MockServer, client: openai.OpenAI) -> None:
    server.reply("Hello")
    create = client.chat.completions.with_streaming_response.create
    with create(model=MODEL, messages=USER, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    with create(model=MODEL, messages=USER) as response:
        assert json.loads(response.read())["choices"][0]["message"]["content"] == "Hello"


# Errors and retries


ERRORS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", ERRORS)
def test_the_errors_of_a_scenario_are_the_sdks(
    server: MockServer, client: openai.OpenAI, status: int, stream: bool
) -> None:
    error = {"status": status, "message": "it is so", "type": "of_a_kind", "param": "this", "code": "some_code"}
    server.add({"name": "failing", "error": error})
    with pytest.raises(ERRORS[status], match="it is so") as caught:
        client.chat.completions.create(model=MODEL, messages=USER, stream=stream)
    assert caught.value.status_code == status
    assert (caught.value.type, caught.value.param, caught.value.code) == ("of_a_kind", "this", "some_code")
    assert (caught.value.request_id or "").startswith("req_")


def test_a_wrong_request_is_told_as_the_real_api_tells_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=USER, temperature=9)
    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}


def test_a_server_with_a_key_wants_that_key() -> None:
    with MockServer(api_key="sk-right-key-1234", strict=True) as server:
        server.reply("Hello")
        with connect(server, api_key="sk-wrong-key-5678") as client:
            with pytest.raises(
                openai.AuthenticationError, match=r"Incorrect API key provided: sk-\*\*\*5678"
            ) as caught:
                client.chat.completions.create(model=MODEL, messages=USER)
            assert caught.value.code == "invalid_api_key"
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
        with connect(server, api_key="sk-right-key-1234") as client:
            assert client.chat.completions.create(model=MODEL, messages=USER).choices[0].message.content == "Hello"
            assert [model.object for model in client.models.list()][:1] == ["model"]


@pytest.mark.parametrize("stream", [True, False])
def test_the_sdk_retries_as_it_is_told_and_then_gets_the_answer(server: MockServer, stream: bool) -> None:
    limited = {"error": {"status": 429, "code": "rate_limit_exceeded", "headers": {"retry-after-ms": "1"}}, "times": 2}
    server.add({"name": "flaky", "sequence": [limited, {"reply": "here now"}]})
    with connect(server, max_retries=2) as client:
        answer: Any = client.chat.completions.create(model=MODEL, messages=USER, stream=stream)
        assert (text(list(answer)) if stream else answer.choices[0].message.content) == "here now"
    assert [exchange.retry_count for exchange in server.requests] == [0, 1, 2]
    assert [exchange.status for exchange in server.requests] == [429, 429, 200]


def test_the_sdk_gives_up_after_its_retries(server: MockServer) -> None:
    server.add({"name": "down", "error": {"status": 503, "headers": {"retry-after-ms": "1"}}})
    with connect(server, max_retries=1) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=MODEL, messages=USER)
    assert [exchange.retry_count for exchange in server.requests] == [0, 1]


def test_a_stall_runs_into_the_sdks_timeout_and_the_server_notes_that_it_left(server: MockServer) -> None:
    server.reply("a b c", delivery=STALL)
    with connect(server, timeout=0.2) as client, pytest.raises(Exception, match="timed out") as caught:
        list(client.chat.completions.create(model=MODEL, messages=USER, stream=True))
    assert type(caught.value).__name__ in ("APITimeoutError", "ReadTimeout"), "as the release of the SDK has it"
    wait_until(lambda: server.requests[0].ended)
    assert str(server.requests[0].ended).startswith("client left")


# Ways to ask


@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1", "/v1/v1", "/api/v1/proxy", "/v1/"])
def test_the_endpoint_is_found_behind_any_prefix(server: MockServer, prefix: str) -> None:
    server.reply("Hello")
    with connect(server, base_url=server.url + prefix) as client:
        assert text(list(client.chat.completions.create(model=MODEL, messages=USER, stream=True))) == "Hello"
        assert client.models.retrieve(MODEL).id == MODEL
        assert MODEL in [model.id for model in client.models.list()]


def test_a_scenario_is_chosen_by_path_header_or_model(server: MockServer) -> None:
    server.reply("the first match")
    for name in ("by-path", "by-header", "by-model"):
        server.reply(f"chosen {name}", name=name, match={"model": "nothing"})
    with connect(server, base_url=server.scenario_url("by-path")) as client:
        assert client.chat.completions.create(model=MODEL, messages=USER).choices[0].message.content == "chosen by-path"
    with connect(server, default_headers={"X-Mock-Scenario": "by-header"}) as client:
        assert (
            client.chat.completions.create(model=MODEL, messages=USER).choices[0].message.content == "chosen by-header"
        )
    with connect(server) as client:
        assert (
            client.chat.completions.create(model="by-model", messages=USER).choices[0].message.content
            == "chosen by-model"
        )
        assert (
            client.chat.completions.create(model=MODEL, messages=USER).choices[0].message.content == "the first match"
        )
    assert [exchange.scenario for exchange in server.requests] == ["by-path", "by-header", "by-model", "reply-1"]


def test_models_are_listed_and_unknown_ones_refused_where_there_is_a_list() -> None:
    with MockServer(models=["mine", "meta/llama-3"], strict=True) as server, connect(server) as client:
        server.reply("Hello", name="named")
        assert [model.id for model in client.models.list()] == ["mine", "meta/llama-3", "named"]
        assert client.models.retrieve("meta/llama-3").id == "meta/llama-3"
        assert client.models.retrieve("named").object == "model"
        for ask in (
            lambda: client.models.retrieve("other"),
            lambda: client.chat.completions.create(model="other", messages=USER),
        ):
            with pytest.raises(openai.NotFoundError, match="`other` does not exist") as caught:
                ask()
            assert caught.value.code == "model_not_found"
        for model in ("mine", "named"):
            assert client.chat.completions.create(model=model, messages=USER).model == model


def test_the_name_of_any_scenario_is_a_known_model_also_where_another_one_is_chosen_by_path_or_header() -> None:
    scenarios = [{"name": "one", "reply": "one"}, {"name": "other", "reply": "other"}]
    with MockServer(*scenarios, models=["mine"]) as server, RawClient(server) as client:
        body = chat(model="one", stream=False)
        assert client.ask(body, path="/scenarios/other/v1/chat/completions").content == "other"
        assert client.ask(body, x_mock_scenario="other").content == "other"
        unknown = client.ask(chat(model="two"), path="/scenarios/other/v1/chat/completions")
        assert (unknown.status, unknown.json["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("options", [{}, {"azure_deployment": "my-deployment"}])
def test_azures_client(options: dict[str, Any]) -> None:
    with MockServer(api_key="azure-key", strict=True) as server:
        server.reply("Hello")
        with openai.AzureOpenAI(
            azure_endpoint=server.url, api_key="azure-key", api_version="2024-10-21", max_retries=0, **options
        ) as client:
            assert text(list(client.chat.completions.create(model="gpt-4o", messages=USER, stream=True))) == "Hello"
        [exchange] = server.requests
        assert exchange.path == f"/openai/deployments/{options.get('azure_deployment', 'gpt-4o')}/chat/completions"
        assert exchange.headers["api-key"] == "azure-key"


def test_azures_path_names_the_model_where_the_body_does_not(server: MockServer) -> None:
    server.reply("Hello", match={"model": "my-deployment"})
    body = {"messages": USER}
    with RawClient(server) as client:
        answer = client.ask(body, path="/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21")
    assert answer.content == "Hello"
    assert answer.json["model"] == "my-deployment"


def test_one_body_to_two_of_azures_deployments_is_answered_by_each_with_its_own_model() -> None:
    asked = ["one", "other"] * 3  # often enough for an answer that is kept
    with MockServer({"name": "any", "reply": "Hello"}, clock=JumpClock()) as server, RawClient(server) as client:
        answers = [client.ask({"messages": USER}, path=f"/openai/deployments/{to}/chat/completions") for to in asked]
    assert [answer.json["model"] for answer in answers] == asked


def test_a_stream_that_is_closed_early_is_noticed_and_the_client_goes_on(
    server: MockServer, client: openai.OpenAI
) -> None:
    server.reply("a b c d", name="slow", timing={"itl": "10s"})
    with client.chat.completions.create(model="slow", messages=USER, stream=True) as stream:
        assert next(iter(stream)).choices[0].delta.role == "assistant"
    wait_until(lambda: server.requests[0].ended)
    assert str(server.requests[0].ended).startswith("client left")
    server.reply("Hello")
    assert client.chat.completions.create(model=MODEL, messages=USER).choices[0].message.content == "Hello"


def test_one_connection_carries_many_requests(server: MockServer, client: openai.OpenAI) -> None:
    server.reply("Hello")
    for _ in range(5):
        list(client.chat.completions.create(model=MODEL, messages=USER, stream=True))
        client.chat.completions.create(model=MODEL, messages=USER)
        client.models.list()
        assert held(server)[0] == 1


# The async client


@pytest.mark.anyio
async def test_async_answers(server: MockServer, aclient: openai.AsyncOpenAI) -> None:
    server.reply("Hello there")
    whole = await aclient.chat.completions.create(model=MODEL, messages=USER)
    assert whole.choices[0].message.content == "Hello there"
    stream = await aclient.chat.completions.create(model=MODEL, messages=USER, stream=True)
    assert text([chunk async for chunk in stream]) == "Hello there"
    async with helpers(aclient).stream(model=MODEL, messages=USER) as manager:
        assert (await manager.get_final_completion()).choices[0].message.content == "Hello there"
    raw = await aclient.chat.completions.with_raw_response.create(model=MODEL, messages=USER)
    assert raw.parse().choices[0].message.content == "Hello there"
    async with aclient.chat.completions.with_streaming_response.create(
        model=MODEL, messages=USER, stream=True
    ) as response:
        assert [line async for line in response.iter_lines() if line][-1] == "data: [DONE]"
    assert [model.id async for model in await aclient.models.list()]


@pytest.mark.anyio
async def test_async_structured_output(server: MockServer, aclient: openai.AsyncOpenAI) -> None:
    server.reply('{"city": "Paris", "degrees": 21.5}')
    parsed = await helpers(aclient).parse(model=MODEL, messages=USER, response_format=Weather)
    assert parsed.choices[0].message.parsed == Weather(city="Paris", degrees=21.5)


@pytest.mark.anyio
async def test_many_async_streams_at_once_do_not_mix(server: MockServer, aclient: openai.AsyncOpenAI) -> None:
    for number in range(20):
        content = " ".join(f"{number}-{k}" for k in range(10))
        server.reply(content, name=f"number-{number}", timing={"ttft": "2ms", "itl": [0, "2ms"]})

    async def ask(number: int) -> str:
        stream = await aclient.chat.completions.create(model=f"number-{number}", messages=USER, stream=True)
        return text([chunk async for chunk in stream])

    answers = await asyncio.gather(*map(ask, range(20)))
    assert answers == [" ".join(f"{number}-{k}" for k in range(10)) for number in range(20)]


@pytest.mark.anyio
async def test_an_async_stream_that_is_cancelled_is_noticed(server: MockServer, aclient: openai.AsyncOpenAI) -> None:
    server.reply("a b c", delivery=STALL)

    async def ask() -> None:
        async for _ in await aclient.chat.completions.create(model=MODEL, messages=USER, stream=True):
            pass

    task = asyncio.create_task(ask())
    while not server.requests or server.requests[0].bytes_sent == 0:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: server.requests[0].ended)
    assert str(server.requests[0].ended).startswith("client left")


# Other clients


def test_httpx2_reads_the_stream_line_by_line(server: MockServer) -> None:
    server.reply(pieces=["Hello", " there"])
    with httpx2.Client() as client:
        for _ in range(3):
            with client.stream("POST", f"{server.base_url}/chat/completions", json=chat()) as response:
                assert response.headers["transfer-encoding"] == "chunked"
                lines = [line for line in response.iter_lines() if line]
            assert [json.loads(line[6:])["choices"][0]["delta"].get("content") for line in lines[:-1]] == [
                "", "Hello", " there", None,
            ]  # fmt: skip
        assert held(server)[0] == 1


def test_the_standard_librarys_client_reads_stream_and_answer_on_one_connection(server: MockServer) -> None:
    server.reply("Hello there")
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    for stream in (True, False, True):
        body = json.dumps(chat(stream=stream)).encode()
        connection.request("POST", "/v1/chat/completions", iter([body[:10], body[10:]]), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        data = connection.getresponse().read()
        assert (data.endswith(b"data: [DONE]\n\n")) is stream
        assert held(server)[0] == 1
    connection.close()


CURL = shutil.which("curl")


def curl(*arguments: str) -> str:
    assert CURL is not None
    done = subprocess.run([CURL, "-sS", "-m", "20", "--noproxy", "*", *arguments], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--http1.0"],
        ["--http2"],
        ["--compressed"],
        ["-H", "Expect: 100-continue"],
        ["-H", "Transfer-Encoding: chunked"],
    ],
    ids=" ".join,
)
def test_curl(server: MockServer, options: list[str]) -> None:
    if "--http2" in options and "HTTP2" not in curl("--version"):
        pytest.skip("this curl does not know HTTP/2")
    server.reply(pieces=["Hello", " there"], timing={"itl": "2ms"})
    url, body = f"{server.base_url}/chat/completions", json.dumps(chat())
    printed = curl("-N", *options, "-H", "Content-Type: application/json", "-d", body, url, url)
    assert printed.count("data: [DONE]\n\n") == 2
    assert printed.count('"content":" there"') == 2
    wait_until(lambda: [exchange.ended for exchange in server.requests] == ["complete", "complete"])


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
def test_curl_waits_for_100_continue_with_a_body_of_megabytes(server: MockServer) -> None:
    server.reply("Hello")
    body = json.dumps(chat("x" * 3_000_000))
    done = subprocess.run(
        [str(CURL), "-sS", "-m", "20", "--noproxy", "*", "-d", "@-", f"{server.base_url}/chat/completions"],
        input=body.encode(), capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith(b"data: [DONE]\n\n")
    assert server.requests[0].raw_body == body.encode()


# The property


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[MockServer, openai.OpenAI]]:
    with MockServer(strict=True) as server, connect(server) as client:
        yield server, client


def meaning(choice: Any) -> dict[str, Any]:
    """What an SDK's choice means. Calls without an id of their own get another one with each request."""
    message = choice.message
    return {
        "content": message.content,
        "refusal": message.refusal,
        "reasoning": getattr(message, "reasoning_content", None),
        "tool_calls": [(call.type, call.function.name, call.function.arguments) for call in message.tool_calls or []],
        "function_call": message.function_call and (message.function_call.name, message.function_call.arguments),
        "finish_reason": choice.finish_reason,
        "logprobs": choice.logprobs and [token.token for token in choice.logprobs.content or []],
    }


# Where a stream ends for one of these reasons, the SDK's own accumulation raises.
def is_accumulated(reply: Reply) -> bool:
    choices = reply.choices or (reply,)
    return not any(choice.finish_reason in ("length", "content_filter") for choice in choices)


@given(replies(function_tools).filter(is_accumulated), st.integers(1, 3), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_for_any_reply_the_accumulated_stream_equals_the_whole_answer_equals_the_reply(
    shared: tuple[MockServer, openai.OpenAI], reply: Reply, n: int, logprobs: bool
) -> None:
    server, client = shared
    server.reset()
    server.add(Scenario(name="any", reply=reply))
    whole = client.chat.completions.create(model=MODEL, messages=USER, n=n, logprobs=logprobs)
    with helpers(client).stream(
        model=MODEL, messages=USER, n=n, logprobs=logprobs, stream_options={"include_usage": True}
    ) as stream:
        streamed = stream.get_final_completion()
    assert [meaning(choice) for choice in streamed.choices] == [meaning(choice) for choice in whole.choices]
    assert streamed.usage == whole.usage
    for index, choice in enumerate(whole.choices):
        said = reply.choice(index)
        assert (choice.message.content or "") == (said.content or "")
        assert (choice.message.refusal or "") == (said.refusal or "")
        told: list[Any] = list(choice.message.tool_calls or [])
        assert [(call.function.name, call.function.arguments) for call in told] == [
            (call.name, call.text) for call in said.tool_calls
        ]
        assert all(call.id == own.id for call, own in zip(told, said.tool_calls, strict=True) if own.id)
        assert choice.finish_reason == said.finish_reason or said.finish_reason is None
