import httpx2
import msgspec
import pytest

from client.call import Call, as_fault
from client.limits import Limits
from client.retry import Retries

REQUEST = {"model": "m", "messages": []}


def build(call: Call) -> httpx2.Request:
    with httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200))) as http:
        return call._build(http, 7.0)


def make(request: dict[str, object] | None = None, **changes: object) -> Call:
    arguments = {"base_url": "http://h/v1", "api_key": None, "headers": None, "limits": None, "retries": 0, **changes}
    return Call(request or REQUEST, **arguments)  # type: ignore[arg-type]


def test_the_request_goes_to_chat_completions_and_asks_for_a_stream() -> None:
    request = build(make(base_url="http://h/v1/", api_key="k"))
    assert (request.method, str(request.url)) == ("POST", "http://h/v1/chat/completions")
    assert msgspec.json.decode(request.content) == {**REQUEST, "stream": True}
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["content-type"] == "application/json"


def test_a_request_may_ask_for_no_stream() -> None:
    request = build(make({**REQUEST, "stream": False}))
    assert msgspec.json.decode(request.content)["stream"] is False
    assert request.headers["accept"] == "application/json"


def test_the_environment_says_where_and_who(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(build(make(base_url=None)).url) == "https://api.openai.com/v1/chat/completions"
    assert "authorization" not in build(make()).headers
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "env-key")
    request = build(make(base_url=None))
    assert (str(request.url), request.headers["authorization"]) == ("http://env/v1/chat/completions", "Bearer env-key")
    assert build(make(api_key="k")).headers["authorization"] == "Bearer k"


def test_the_callers_headers_come_last() -> None:
    request = build(make(api_key="k", headers={"Authorization": "Basic x", "X-Mock-Scenario": "s"}))
    assert (request.headers["authorization"], request.headers["x-mock-scenario"]) == ("Basic x", "s")


def test_the_limit_on_connecting_is_the_http_clients_to_keep() -> None:
    timeout = build(make(limits=Limits(connect_timeout_s=3))).extensions["timeout"]
    assert timeout == {"connect": 3, "read": 7.0, "write": 7.0, "pool": 7.0}


@pytest.mark.parametrize("base_url", ["http://h:port/v1", "http://h\0/v1"])
def test_what_is_no_url_is_the_callers_mistake(base_url: str) -> None:
    with pytest.raises(ValueError, match="no URL"):
        build(make(base_url=base_url))


def test_retries_may_be_a_number_or_all_their_rules() -> None:
    assert make(retries=3)._exchange._retries == Retries(count=3)
    assert make(retries=Retries(count=1, max_wait_s=5))._exchange._retries == Retries(count=1, max_wait_s=5)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (httpx2.ConnectTimeout(""), "connect", "none in time"),
        (httpx2.ConnectError("refused"), "connect", "a refusal (refused)"),
        (httpx2.ProxyError("407"), "connect", "a proxy's refusal (407)"),
        (httpx2.ReadTimeout(""), "timeout", "nothing in time"),
        (httpx2.WriteTimeout(""), "timeout", "nothing in time"),
        (httpx2.PoolTimeout(""), "timeout", "nothing in time"),
        (TimeoutError(), "timeout", "nothing in time"),
        (httpx2.DecodingError("zlib"), "coding", "damaged data (zlib)"),
        (httpx2.ReadError(""), "closed", "the end of the connection"),
        (httpx2.RemoteProtocolError("x"), "closed", "the end of the connection (x)"),
        (httpx2.StreamClosed(), "closed", "a closed response"),
    ],
)
def test_an_exception_of_httpx2_becomes_a_fault(error: Exception, kind: str, text: str) -> None:
    fault = as_fault(error)
    assert fault.kind == kind
    assert fault.text.startswith(text)
    assert fault.cause is error


@pytest.mark.parametrize(
    "error", [httpx2.UnsupportedProtocol("x"), httpx2.InvalidURL("x"), httpx2.LocalProtocolError("x")]
)
def test_what_only_an_argument_can_cause_is_a_value_error(error: Exception) -> None:
    with pytest.raises(ValueError, match="cannot be sent: x"):
        as_fault(error)
