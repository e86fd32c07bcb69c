"""Every row of the catalogue that is a matter of the client: over a socket, blocking and not, and byte by byte."""

from collections.abc import Iterator

import pytest

from client.completion import Completion
from client.errors import ChatError, StalledError
from client.limits import Limits
from client.reader import ChatReader
from client.stream import astream_chat, open_http, open_http_async, stream_chat
from tests.client.bodies import HELLO
from tests.client.catalogue import CASES, Case
from tests.client.conftest import Serve
from tests.client.wire import streamed

NO_TOKEN = Limits(ttft_timeout_s=0.15, idle_timeout_s=30)
NO_EVENT = Limits(ttft_timeout_s=30, idle_timeout_s=0.15)
HEALTHY = Limits(ttft_timeout_s=30, idle_timeout_s=30)
REQUEST = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
bodies = pytest.mark.parametrize("case", [case for case in CASES if case.body is not None], ids=lambda case: case.slug)


def limits_for(case: Case) -> Limits:
    if case.error is not StalledError:
        return HEALTHY
    return NO_TOKEN if "first token" in case.says else NO_EVENT


def check(case: Case, error: ChatError | None, completion: Completion, joined: str) -> None:
    """What came must be what the row says, and the deltas must add up to it."""
    assert type(error) is (case.error or type(None)), error
    assert case.says in str(error)
    if error is not None:
        assert error.completion is not None
        assert error.attempts == 1
        completion = error.completion
    case.check(completion)
    if case.slug not in (
        "body-json-instead",
        "type-sse-body-json",
        "type-missing-body-json",
    ):  # kept, but never handed out
        assert joined == completion.content


def test_the_slugs_are_unique() -> None:
    assert len({case.slug for case in CASES}) == len(CASES)


def test_where_the_catalogue_demands_an_error_there_is_one_and_where_it_forbids_one_there_is_none() -> None:
    assert [case.slug for case in CASES if case.right == "error" and case.error is None] == []
    assert [case.slug for case in CASES if case.right == "same" and case.error is not None] == []


@cases
def test_a_row_over_a_socket(case: Case, serve: Serve) -> None:
    server = serve(case.reply, streamed(HELLO))
    joined: list[str] = []
    error = None
    with open_http() as http:
        request = {**REQUEST, **case.request}
        stream = stream_chat(request, base_url=server.base_url, limits=limits_for(case), retries=0, http=http)
        try:
            for delta in stream:
                joined += [delta.content] if delta.index == 0 else []
        except ChatError as caught:
            error = caught
        check(case, error, stream.completion, "".join(joined))
        # Whatever happened, the next request on the same client finds everything in order.
        assert (
            stream_chat(REQUEST, base_url=server.base_url, limits=HEALTHY, retries=0, http=http).read().content
            == "Hello"
        )


@pytest.mark.anyio
@cases
async def test_a_row_over_a_socket_async(case: Case, serve: Serve) -> None:
    server = serve(case.reply, streamed(HELLO))
    joined: list[str] = []
    error = None
    async with open_http_async() as http:
        request = {**REQUEST, **case.request}
        stream = astream_chat(request, base_url=server.base_url, limits=limits_for(case), retries=0, http=http)
        try:
            async for delta in stream:
                joined += [delta.content] if delta.index == 0 else []
        except ChatError as caught:
            error = caught
        check(case, error, stream.completion, "".join(joined))
        again = astream_chat(REQUEST, base_url=server.base_url, limits=HEALTHY, retries=0, http=http)
        assert (await again.read()).content == "Hello"


def read_body(case: Case, pieces: Iterator[bytes]) -> tuple[ChatError | None, Completion, str]:
    reader = ChatReader(choices=case.request.get("n", 1))
    joined: list[str] = []
    try:
        for piece in pieces:
            for delta in reader.feed(piece):
                joined += [delta.content] if delta.index == 0 else []
            if reader.done:
                break
        reader.end()
    except ChatError as error:
        return error, reader.completion, "".join(joined)
    return None, reader.completion, "".join(joined)


@bodies
def test_a_row_read_from_its_bytes(case: Case) -> None:
    body = case.body or b""
    check(case, *read_body(case, iter([body])))


@bodies
def test_a_row_read_byte_by_byte(case: Case) -> None:
    body = case.body or b""
    step = 1 if len(body) < 100_000 else 4099
    check(case, *read_body(case, (body[at : at + step] for at in range(0, len(body), step))))
