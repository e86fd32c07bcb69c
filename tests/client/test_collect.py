from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

import openai
import pytest

from client.collect import acollect, collect
from client.completion import Timings, ToolCall
from client.errors import (
    ChatError,
    MalformedError,
    NotReachedError,
    RefusedError,
    ReportedError,
    StalledError,
    TruncatedError,
)
from tests.client.bodies import DONE, HEL, HELLO, LO, ROLE, STOP, USAGE, USAGE_CHUNK, event, events
from tests.client.catalogue import ERROR, PIECES, TOOL, called
from tests.client.chunks import call, chunk, text
from tests.client.conftest import Serve
from tests.client.wire import CLOSE, HOLD, streamed, whole

SDK_MAJOR = int(openai.__version__.partition(".")[0])
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}


@pytest.fixture
def sdk(serve: Serve) -> Iterator[Callable[..., Any]]:
    """Starts the SDK's stream of a reply."""
    clients: list[openai.OpenAI] = []

    def start(*pieces: bytes, **options: Any) -> Any:
        server = serve(streamed(*pieces, **options))
        clients.append(openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0, timeout=0.5))
        return clients[-1].chat.completions.create(**ASKED)

    yield start
    for each in clients:
        each.close()


def test_an_sdk_stream_is_collected_as_it_is(sdk: Callable[..., Any]) -> None:
    completion = collect(sdk(events(ROLE, HEL, LO, STOP, USAGE_CHUNK) + DONE))
    assert (completion.content, completion.finish_reason, completion.usage) == ("Hello", "stop", USAGE)
    assert completion.timings is not None
    assert completion.timings.ttft_s is not None
    assert len(completion.timings.itl_s) == 1


def test_tool_calls_of_an_sdk_stream(sdk: Callable[..., Any]) -> None:
    assert collect(sdk(called(*PIECES))).tool_calls == TOOL


def test_shapes_that_the_sdk_only_passes_on(sdk: Callable[..., Any]) -> None:
    """Keys and values that its types do not know are in its objects all the same."""
    completion = collect(
        sdk(
            called(
                chunk({"reasoning_content": "hm"}),
                call(index=None, id="t1", name="f", arguments={"a": 1}, extra_content={"x": 1}),
                text("Hello"),
            )
        )
    )
    assert completion.tool_calls == (ToolCall("t1", "f", '{"a":1}', "function", {"extra_content": {"x": 1}}),)
    assert (completion.reasoning, completion.content) == ("hm", "Hello")


SILENT: dict[str, tuple[bytes, type[ChatError], str]] = {
    "cut": (events(ROLE, HEL), TruncatedError, "finish reason"),
    "cut with done": (events(ROLE, HEL) + DONE, TruncatedError, "finish reason"),
    "nothing": (DONE, TruncatedError, "a chunk with a choice"),
    "error by event name": (
        events(ROLE, HEL) + b'event: error\ndata: {"message":"boom","code":1}\n\n',
        ReportedError,
        "boom",
    ),
    "error, flat": (events(ROLE, HEL, {"object": "error", "message": "boom"}), ReportedError, "boom"),
    "half arguments": (called(call(index=0, id="t", name="f", arguments='{"a"')), MalformedError, "'f'"),
}


@pytest.mark.parametrize("row", SILENT.values(), ids=SILENT.keys())
def test_it_raises_where_the_sdk_stays_silent(row: tuple[bytes, type[ChatError], str], sdk: Callable[..., Any]) -> None:
    body, kind, says = row
    with pytest.raises(ChatError) as caught:
        collect(sdk(body))
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert caught.value.__cause__ is None


LOUD: dict[str, tuple[tuple[bytes, dict[str, Any]], type[ChatError], str]] = {
    "error object": ((events(ROLE, HEL, {"error": ERROR}), {}), ReportedError, "APIError"),
    "bad JSON": ((events(ROLE, HEL) + b"data: {\n\n", {}), MalformedError, "JSONDecodeError"),
    "bad UTF-8": ((events(ROLE, HEL) + b"data: \xff\n\n", {}), MalformedError, "UnicodeDecodeError"),
    "stall": ((events(ROLE, HEL), {"end": HOLD}), StalledError, "Timeout"),
    "cut body": (
        (events(ROLE, HEL), {"end": CLOSE}),
        TruncatedError,
        # Up to 1.x the SDK lets httpx's exception through.
        "RemoteProtocolError" if SDK_MAJOR < 2 else "APIConnectionError",
    ),
}


@pytest.mark.parametrize("row", LOUD.values(), ids=LOUD.keys())
def test_what_the_sdk_raises_is_told_with_what_had_come(
    row: tuple[tuple[bytes, dict[str, Any]], type[ChatError], str], sdk: Callable[..., Any]
) -> None:
    (body, options), kind, says = row
    stream = sdk(body, **options)
    with pytest.raises(ChatError) as caught:
        collect(stream)
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert caught.value.__cause__ is not None
    assert caught.value.completion is not None
    assert caught.value.completion.content == "Hel"
    if isinstance(caught.value, ReportedError):
        assert caught.value.error == ERROR


REFUSALS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "an error object": (b'{"error":{"message":"slow down","code":"rate"}}', {"message": "slow down", "code": "rate"}),
    "a detail": (b'{"detail":"slow down"}', {"detail": "slow down"}),
    "a page": (b"<html>slow down", {}),
    "a list": (b'[{"error":{"message":"slow down"}}]', {"message": "slow down"}),
    "no more than a status": (b"", {}),
}


@pytest.mark.parametrize("row", REFUSALS.values(), ids=REFUSALS.keys())
def test_of_a_refusal_that_the_sdk_raises_nothing_is_lost(row: tuple[bytes, dict[str, Any]], serve: Serve) -> None:
    """A generator that asks only when it is read is refused only then."""
    body, error = row
    server = serve(whole(body, "429 Too Many Requests", retry_after="7", X_Limit="tokens"))
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:

        def ask() -> Iterator[Any]:
            yield from client.chat.completions.create(**ASKED)

        with pytest.raises(RefusedError, match="RateLimitError") as caught:
            collect(ask())
    assert (caught.value.status, caught.value.retry_after_s) == (429, 7.0)
    assert caught.value.headers["x-limit"] == "tokens"
    assert caught.value.body == body.decode()
    assert caught.value.error == error


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "kind"),
    [(HELLO, None), (events(ROLE, HEL), TruncatedError), (events(ROLE, HEL, {"error": ERROR}), ReportedError)],
)
async def test_an_async_sdk_stream(body: bytes, kind: type[ChatError] | None, serve: Serve) -> None:
    server = serve(streamed(body))
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(**ASKED)
        if kind is None:
            assert (await acollect(stream)).content == "Hello"
        else:
            with pytest.raises(kind) as caught:
                await acollect(stream)
            assert caught.value.completion is not None
            assert caught.value.completion.content == "Hel"


# Any iterable of chunks


class Stream:
    """Chunks, perhaps an error, and whether it was closed."""

    def __init__(self, chunks: Iterable[Any], error: BaseException | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.closed = False

    def __iter__(self) -> Iterator[Any]:
        yield from self.chunks
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[Any]:
        for each in self:
            yield each

    def close(self) -> None:
        self.closed = True


class AsyncStream(Stream):
    """The same with an async close."""

    async def close(self) -> None:  # type: ignore[override]
        self.closed = True


class AcloseStream(Stream):
    """The same with `aclose`, as async generators have it."""

    close = None  # type: ignore[assignment]

    async def aclose(self) -> None:
        self.closed = True


def test_mappings_will_do_and_the_stream_is_closed() -> None:
    stream = Stream([ROLE, HEL, LO, STOP])
    assert collect(stream).content == "Hello"
    assert stream.closed


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Stream, AsyncStream, AcloseStream])
async def test_an_async_stream_is_closed_in_its_own_way(kind: type[Stream]) -> None:
    stream = kind([ROLE, HEL, LO, STOP])
    assert (await acollect(stream)).content == "Hello"
    assert stream.closed


def test_a_bare_iterable_needs_no_closing() -> None:
    assert collect([ROLE, HEL, LO, STOP]).content == "Hello"


@pytest.mark.anyio
async def test_a_bare_async_iterable_needs_no_closing() -> None:
    class Bare:
        async def __aiter__(self) -> AsyncIterator[Any]:
            for each in (ROLE, HEL, LO, STOP):
                yield each

    assert (await acollect(Bare())).content == "Hello"


def test_the_timings_are_those_of_the_clock() -> None:
    times = iter([10.0, 11.0, 11.5, 12.5, 13.0, 14.0])
    completion = collect([ROLE, HEL, LO, STOP], clock=lambda: next(times))
    assert completion.timings == Timings(ttft_s=1.5, itl_s=(1.0,), total_s=4.0)


def test_the_time_of_the_request_can_be_told() -> None:
    times = iter([11.0, 11.5, 12.5, 13.0, 14.0])
    completion = collect([ROLE, HEL, LO, STOP], started_s=1.0, clock=lambda: next(times))
    assert completion.timings == Timings(ttft_s=10.5, itl_s=(1.0,), total_s=13.0)


def test_as_many_choices_as_were_asked_for_are_expected() -> None:
    two = [text("a", "stop"), text("b", "stop", index=1)]
    assert len(collect(two, choices=2).choices) == 2
    with pytest.raises(TruncatedError, match="2 choices"):
        collect(two[:1], choices=2)


class Dumped:
    """A chunk with what `model_dump` of an SDK gives."""

    def __init__(self, **members: Any) -> None:
        self.members = members

    def model_dump(self, **options: Any) -> dict[str, Any]:
        return self.members


@pytest.mark.parametrize("data", [{"message": "boom", "code": 1}, "boom", {"error": {"message": "boom"}}])
def test_an_error_that_an_old_sdk_wraps_with_the_name_of_its_event_is_told(data: object) -> None:
    with pytest.raises(ReportedError, match="boom"):
        collect([ROLE, HEL, Dumped(event="error", data=data)])


@pytest.mark.parametrize("data", [{"type": "ping"}, None, "", []])
def test_other_events_that_an_old_sdk_wraps_are_no_part_of_the_answer(data: object) -> None:
    assert collect([ROLE, HEL, Dumped(event="ping", data=data), LO, STOP]).content == "Hello"


def test_a_chunk_that_an_old_sdk_wraps_with_the_name_of_its_event_is_a_chunk() -> None:
    assert collect([ROLE, Dumped(event="chunk", data=HEL), LO, STOP]).content == "Hello"


def test_what_is_no_chunk_is_a_type_error() -> None:
    stream = Stream([5])
    with pytest.raises(TypeError, match="got int"):
        collect(stream)
    assert stream.closed


class APIStatusError(Exception):
    """Named as the SDK's."""

    status_code = 503


class UnreadResponse:
    """Of a streamed answer, whose body nobody has read."""

    headers: Mapping[str, str] = {"Retry-After-Ms": "1500"}

    @property
    def text(self) -> str:
        raise RuntimeError("not read")


def test_a_refusal_whose_body_was_not_read_keeps_its_headers() -> None:
    error = APIStatusError("s")
    error.response = UnreadResponse()  # type: ignore[attr-defined]
    with pytest.raises(RefusedError) as caught:
        collect(Stream([HEL], error))
    assert (caught.value.retry_after_s, caught.value.body) == (1.5, "")
    assert caught.value.headers == {"retry-after-ms": "1500"}


class ConnectError(Exception):
    """Named as httpx's."""


class APIError(Exception):
    """Named as the SDK's, without a body."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("t"), StalledError),
        (ConnectError("c"), NotReachedError),
        (ConnectionResetError("r"), TruncatedError),
        (APIStatusError("s"), RefusedError),
        (APIError("boom"), ReportedError),
    ],
)
def test_exceptions_are_known_by_their_names(error: Exception, kind: type[ChatError]) -> None:
    with pytest.raises(kind) as caught:
        collect(Stream([HEL], error))
    assert caught.value.__cause__ is error
    if isinstance(caught.value, RefusedError):
        assert caught.value.status == 503
    if isinstance(caught.value, ReportedError):
        assert caught.value.error == {"message": "boom"}


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()])
def test_other_exceptions_are_left_as_they_are(error: BaseException) -> None:
    stream = Stream([HEL], error)
    with pytest.raises(type(error)) as caught:
        collect(stream)
    assert caught.value is error
    assert stream.closed


def test_an_event_of_the_table_is_one_of_the_tests() -> None:
    """The helper that frames events for the SDK frames them as the SDK reads them."""
    assert event("x") == b"data: x\n\n"
