"""Leaving, reusing, retrying, waiting: what only shows on a real connection. What is read from it is in test_catalogue.py."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import httpx2
import msgspec
import pytest

from client.completion import Delta
from client.errors import ChatError, NotReachedError, RefusedError, StalledError, TruncatedError
from client.limits import Limits
from client.retry import Retries
from client.stream import AsyncChatStream, ChatStream, astream_chat, open_http, open_http_async, stream_chat
from tests.client.bodies import DONE, HEL, HELLO, LO, ROLE, STOP, event, events
from tests.client.catalogue import WHOLE, json
from tests.client.conftest import Serve
from tests.client.wire import CLOSE, HOLD, LAST_CHUNK, RESET, Call, Drip, Reply, chunk_of, head, streamed, whole

REQUEST: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
SOON_S = 10.0
"""Longer than anything here should take; waited for in full only by a failing test."""
HELD = streamed(events(ROLE, HEL), end=HOLD)
NOW = Retries(count=2, first_wait_s=0.0)


def ask(base_url: str, **options: Any) -> ChatStream:
    return stream_chat(REQUEST, base_url=base_url, **{"retries": 0, **options})


def ask_async(base_url: str, **options: Any) -> AsyncChatStream:
    return astream_chat(REQUEST, base_url=base_url, **{"retries": 0, **options})


# Leaving early


def leave_by_break(stream: ChatStream) -> None:
    for delta in stream:
        if delta.content:
            break


def leave_by_close(stream: ChatStream) -> None:
    for delta in stream:
        if delta.content:
            stream.close()


def leave_by_with(stream: ChatStream) -> None:
    with stream:
        iterator = iter(stream)
        next(iterator)


def leave_by_exception(stream: ChatStream) -> None:
    with suppress(KeyError):
        for delta in stream:
            raise KeyError(delta)


def leave_by_generator_close(stream: ChatStream) -> None:
    iterator = iter(stream)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_close, leave_by_with, leave_by_exception, leave_by_generator_close]
)
def test_leaving_closes_the_connection_at_once(leave: Callable[[ChatStream], None], serve: Serve) -> None:
    server = serve(HELD)
    with open_http() as http:
        stream = ask(server.base_url, http=http)
        leave(stream)
        assert server.left.wait(SOON_S)
        assert stream.completion.content in ("", "Hel")


async def aleave_by_break(stream: AsyncChatStream) -> None:
    async for delta in stream:
        if delta.content:
            break


async def aleave_by_close(stream: AsyncChatStream) -> None:
    async for delta in stream:
        if delta.content:
            await stream.close()


async def aleave_by_with(stream: AsyncChatStream) -> None:
    async with stream:
        iterator = aiter(stream)
        await anext(iterator)


async def aleave_by_exception(stream: AsyncChatStream) -> None:
    with suppress(KeyError):
        async for delta in stream:
            raise KeyError(delta)


async def aleave_by_generator_close(stream: AsyncChatStream) -> None:
    async with aclosing(aiter(stream)) as iterator:  # type: ignore[type-var]
        await anext(iterator)


async def aleave_by_cancellation(stream: AsyncChatStream) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for delta in stream:
            if delta.content:
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def aleave_by_close_in_another_task(stream: AsyncChatStream) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for delta in stream:
            if delta.content:
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    await stream.close()
    await task


@pytest.mark.anyio
@pytest.mark.parametrize(
    "leave",
    [
        aleave_by_break,
        aleave_by_close,
        aleave_by_with,
        aleave_by_exception,
        aleave_by_generator_close,
        aleave_by_cancellation,
        aleave_by_close_in_another_task,
    ],
)
async def test_leaving_closes_the_connection_at_once_async(
    leave: Callable[[AsyncChatStream], Any], serve: Serve
) -> None:
    server = serve(HELD)
    async with open_http_async() as http:
        stream = ask_async(server.base_url, http=http)
        await leave(stream)
        assert await asyncio.to_thread(server.left.wait, SOON_S)
        assert stream.completion.content in ("", "Hel")


@pytest.mark.anyio
async def test_cancelling_before_the_answer_closes_the_connection(serve: Serve) -> None:
    asked = threading.Event()
    server = serve(Reply(Call(asked.set), HOLD))
    task = asyncio.create_task(ask_async(server.base_url).read())
    assert await asyncio.to_thread(asked.wait, SOON_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(server.left.wait, SOON_S)


def test_nothing_is_sent_before_the_iteration_begins(serve: Serve) -> None:
    server = serve(streamed(HELLO))
    ask(server.base_url).close()
    with ask(server.base_url):
        pass
    assert server.connection_count == 0


def test_a_stream_left_before_it_began_gives_nothing(serve: Serve) -> None:
    server = serve(streamed(HELLO))
    stream = ask(server.base_url)
    stream.close()
    assert list(stream) == []
    assert server.connection_count == 0


def test_a_stream_is_iterated_once(serve: Serve) -> None:
    stream = ask(serve(streamed(HELLO)).base_url)
    assert stream.read().content == "Hello"
    with pytest.raises(RuntimeError, match="read once"):
        stream.read()


@pytest.mark.anyio
async def test_a_stream_is_iterated_once_async(serve: Serve) -> None:
    stream = ask_async(serve(streamed(HELLO)).base_url)
    assert (await stream.read()).content == "Hello"
    with pytest.raises(RuntimeError, match="read once"):
        await stream.read()


# Reusing and dropping connections


REUSED = {
    "after [DONE]": streamed(HELLO),
    "after [DONE], with the end of the body in a segment of its own": streamed(HELLO, b": bye\n\n"),
    "after a clean end without [DONE]": streamed(events(ROLE, HEL, LO, STOP)),
    "after a length": whole(HELLO, content_type="text/event-stream"),
    "after a refusal": whole(b"{}", "400 Bad Request"),
    "after a body that is no stream": whole(json(WHOLE)),
}
DROPPED = {
    "after [DONE], the body left open": streamed(HELLO, end=HOLD),
    "after [DONE] and too much more": streamed(HELLO, *[b": x\n" * 20_000] * 2, end=HOLD),
    "after an error in the stream": streamed(events(ROLE, {"error": "boom"}), end=HOLD),
    "after bad JSON": streamed(b"data: {\n\n", end=HOLD),
    "after a cut": streamed(events(ROLE), end=CLOSE),
    "after a reset": streamed(events(ROLE), end=RESET),
    "after a refusal without an end": Reply(head("500 Oops", None, content_length="9"), HOLD),
}
LIMITS = Limits(ttft_timeout_s=0.2, idle_timeout_s=0.2)


@pytest.mark.parametrize("reply", REUSED.values(), ids=REUSED.keys())
def test_a_connection_in_order_is_used_again(reply: Reply, serve: Serve) -> None:
    server = serve(reply, streamed(HELLO))
    with open_http() as http:
        with suppress(ChatError):
            ask(server.base_url, http=http).read()
        assert ask(server.base_url, http=http).read().content == "Hello"
    assert server.connection_count == 1


@pytest.mark.anyio
@pytest.mark.parametrize("reply", REUSED.values(), ids=REUSED.keys())
async def test_a_connection_in_order_is_used_again_async(reply: Reply, serve: Serve) -> None:
    server = serve(reply, streamed(HELLO))
    async with open_http_async() as http:
        with suppress(ChatError):
            await ask_async(server.base_url, http=http).read()
        assert (await ask_async(server.base_url, http=http).read()).content == "Hello"
    assert server.connection_count == 1


@pytest.mark.parametrize("reply", DROPPED.values(), ids=DROPPED.keys())
def test_any_other_connection_is_dropped(reply: Reply, serve: Serve) -> None:
    server = serve(reply, streamed(HELLO))
    with open_http() as http:
        with suppress(ChatError):
            ask(server.base_url, http=http, limits=LIMITS).read()
        assert ask(server.base_url, http=http).read().content == "Hello"
    assert server.connection_count == 2


@pytest.mark.anyio
@pytest.mark.parametrize("reply", DROPPED.values(), ids=DROPPED.keys())
async def test_any_other_connection_is_dropped_async(reply: Reply, serve: Serve) -> None:
    server = serve(reply, streamed(HELLO))
    async with open_http_async() as http:
        with suppress(ChatError):
            await ask_async(server.base_url, http=http, limits=LIMITS).read()
        assert (await ask_async(server.base_url, http=http).read()).content == "Hello"
    assert server.connection_count == 2


def test_done_is_not_followed_by_waiting_for_the_end_of_the_body(serve: Serve) -> None:
    limits = Limits(ttft_timeout_s=60, idle_timeout_s=60, drain_timeout_s=0.05)
    begun_s = time.monotonic()
    assert ask(serve(streamed(HELLO, end=HOLD)).base_url, limits=limits).read().content == "Hello"
    assert time.monotonic() - begun_s < SOON_S


def test_a_connection_of_its_own_is_closed_with_the_call(serve: Serve) -> None:
    server = serve(streamed(HELLO))
    assert ask(server.base_url).read().content == "Hello"
    assert server.gone.wait(SOON_S)


@pytest.mark.anyio
async def test_a_connection_of_its_own_is_closed_with_the_call_async(serve: Serve) -> None:
    server = serve(streamed(HELLO))
    assert (await ask_async(server.base_url).read()).content == "Hello"
    assert await asyncio.to_thread(server.gone.wait, SOON_S)


# Clients of the caller's own


def test_any_http_client_will_do(serve: Serve) -> None:
    server = serve(streamed(HELLO), streamed(events(ROLE, HEL), end=HOLD))
    with httpx2.Client() as http:
        assert ask(server.base_url, http=http).read().content == "Hello"
        with pytest.raises(StalledError):
            ask(server.base_url, http=http, limits=LIMITS).read()


def test_a_client_that_cannot_wait_for_so_long_only_does_not_wait_for_the_end_of_the_body(serve: Serve) -> None:
    begun_s = time.monotonic()
    with httpx2.Client() as http:
        limits = Limits(ttft_timeout_s=2 * SOON_S, idle_timeout_s=2 * SOON_S)
        assert ask(serve(streamed(HELLO, end=HOLD)).base_url, http=http, limits=limits).read().content == "Hello"
    assert time.monotonic() - begun_s < SOON_S


def test_a_client_without_time_limits_has_none() -> None:
    seen: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=HELLO)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        for limits in (Limits(ttft_timeout_s=None), Limits(ttft_timeout_s=5, idle_timeout_s=7)):
            assert ask("http://h/v1", http=http, limits=limits).read().content == "Hello"
    assert seen == [None, 7]


@pytest.mark.anyio
async def test_any_async_http_client_will_do() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=HELLO)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        assert (await ask_async("http://h/v1", http=http).read()).content == "Hello"


@pytest.mark.parametrize(
    ("options", "says"),
    [({"base_url": "ftp://h/v1"}, "cannot be sent"), ({"headers": {"x": "a\nb"}}, "cannot be sent")],
)
def test_a_wrong_argument_is_a_value_error_and_no_request(options: dict[str, Any], says: str, serve: Serve) -> None:
    server = serve(streamed(HELLO))
    with pytest.raises(ValueError, match=says):
        stream_chat(REQUEST, **{"base_url": server.base_url, **options}).read()
    assert server.requests == []


# Requests and retries


def test_each_attempt_sends_the_same_request(serve: Serve) -> None:
    busy = whole(b"{}", "429 Too Many Requests", retry_after_ms="1")
    server = serve(busy, Reply(CLOSE), streamed(HELLO))
    stream = ask(server.base_url, api_key="k", retries=NOW)
    assert stream.read().content == "Hello"
    assert stream.attempts == 3
    assert [msgspec.json.decode(request.body) for request in server.requests] == [{**REQUEST, "stream": True}] * 3
    assert {request.path for request in server.requests} == {"/v1/chat/completions"}
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer k"}


@pytest.mark.anyio
async def test_each_attempt_sends_the_same_request_async(serve: Serve) -> None:
    busy = whole(b"{}", "429 Too Many Requests", retry_after_ms="1")
    server = serve(busy, Reply(CLOSE), streamed(HELLO))
    stream = ask_async(server.base_url, retries=NOW)
    assert (await stream.read()).content == "Hello"
    assert stream.attempts == 3
    assert len(server.requests) == 3


def test_a_server_that_asks_not_to_be_tried_again_is_not(serve: Serve) -> None:
    server = serve(whole(b"{}", "500 Oops", x_should_retry="false"), streamed(HELLO))
    with pytest.raises(RefusedError):
        ask(server.base_url, retries=NOW).read()
    assert len(server.requests) == 1


def test_a_cut_after_text_is_never_joined_to_a_second_answer(serve: Serve) -> None:
    server = serve(streamed(events(ROLE, HEL), end=CLOSE), streamed(HELLO))
    stream = ask(server.base_url, retries=NOW)
    with pytest.raises(TruncatedError) as caught:
        stream.read()
    assert caught.value.completion == stream.completion
    assert stream.completion.content == "Hel"
    assert len(server.requests) == 1


def test_a_cut_before_any_delta_is_tried_again(serve: Serve) -> None:
    server = serve(streamed(b": ping\n\n", end=CLOSE), streamed(HELLO))
    assert ask(server.base_url, retries=NOW).read().content == "Hello"


def test_a_port_where_nobody_listens_is_not_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotReachedError, match="a connection") as caught:
        ask(f"http://127.0.0.1:{port}/v1", retries=NOW).read()
    assert caught.value.attempts == 3
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)


# Time


def test_a_slow_stream_is_a_healthy_one(serve: Serve) -> None:
    """Each event comes well within the idle limit of the last; together they take longer than it."""
    server = serve(
        Reply(
            *streamed(events(ROLE)).steps[:-1],
            Drip(chunk_of(event(HEL)), 0.05, 15),
            chunk_of(events(STOP) + DONE),
            LAST_CHUNK,
        )
    )
    assert ask(server.base_url, limits=Limits(ttft_timeout_s=0.5, idle_timeout_s=0.5)).read().content == "Hel" * 15


@pytest.mark.parametrize(
    ("progress", "error"), [("event", StalledError), ("comment", TruncatedError), ("byte", TruncatedError)]
)
def test_comments_keep_a_stream_alive_only_if_told(progress: Any, error: type[ChatError], serve: Serve) -> None:
    server = serve(Reply(*streamed(events(ROLE, HEL)).steps[:-1], Drip(chunk_of(b": ping\n\n"), 0.03, 20), LAST_CHUNK))
    limits = Limits(ttft_timeout_s=30, idle_timeout_s=0.3, progress=progress)
    with pytest.raises(ChatError) as caught:
        ask(server.base_url, limits=limits).read()
    assert type(caught.value) is error


def test_the_time_of_the_caller_does_not_count(serve: Serve) -> None:
    server = serve(streamed(events(ROLE), events(HEL), events(LO), events(STOP) + DONE))
    waited = threading.Event()
    stream = ask(server.base_url, limits=Limits(ttft_timeout_s=0.3, idle_timeout_s=0.3))
    for delta in stream:
        if not delta.finish_reason:
            waited.wait(0.35)
    assert stream.completion.content == "Hello"


def test_the_total_limit_ends_a_stream_that_goes_on(serve: Serve) -> None:
    server = serve(Reply(*streamed(events(ROLE)).steps[:-1], Drip(chunk_of(event(HEL)), 0.02)))
    with pytest.raises(StalledError) as caught:
        ask(server.base_url, limits=Limits(total_timeout_s=0.2)).read()
    assert caught.value.limit == "total"
    assert server.left.wait(SOON_S)


def test_deltas_come_as_they_are_sent(serve: Serve) -> None:
    """The server sends each event only after the one before has been taken."""
    taken = [threading.Event() for _ in range(3)]
    steps: list[Any] = [*streamed(events(HEL)).steps[:-1]]
    for gate in taken[:2]:
        steps += [Call(lambda gate=gate: gate.wait(SOON_S)), chunk_of(event(LO))]  # type: ignore[misc]
    steps += [Call(lambda: taken[2].wait(SOON_S)), chunk_of(events(STOP) + DONE), LAST_CHUNK]
    deltas: list[Delta] = []
    stream = ask(serve(Reply(*steps)).base_url)
    for delta in stream:
        deltas.append(delta)
        if delta.content:
            taken[len(deltas) - 1].set()
    assert [delta.content for delta in deltas] == ["Hel", "lo", "lo", ""]
    timings = stream.completion.timings
    assert timings is not None
    assert timings.ttft_s is not None
    assert timings.ttft_s > 0
    assert len(timings.itl_s) == 2
    assert timings.total_s >= timings.ttft_s + sum(timings.itl_s)


# Not streamed


def test_a_reply_that_is_not_streamed_comes_as_one_delta(serve: Serve) -> None:
    server = serve(whole(json(WHOLE)))
    stream = stream_chat({**REQUEST, "stream": False}, base_url=server.base_url)
    assert [delta.content for delta in stream] == ["Hello"]
    assert stream.completion.content == "Hello"
    assert stream.chunk_count == 1


@pytest.mark.anyio
async def test_a_reply_that_is_not_streamed_comes_as_one_delta_async(serve: Serve) -> None:
    server = serve(whole(json(WHOLE)))
    stream = astream_chat({**REQUEST, "stream": False}, base_url=server.base_url)
    assert [delta.content async for delta in stream] == ["Hello"]
    assert stream.chunk_count == 1
