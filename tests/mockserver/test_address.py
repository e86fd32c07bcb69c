import pytest

from mockserver.address import client_environment, is_local, server_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
    ],
)
def test_a_server_is_reached_on_its_own_machine_wherever_it_listens(host: str, url: str) -> None:
    assert server_url(host, 80) == url


def test_the_environment_keeps_what_goes_past_a_proxy_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost,upper.example")
    monkeypatch.setenv("no_proxy", "lower.example")
    environment = client_environment("http://x/v1")
    assert environment["OPENAI_API_KEY"] == "test"
    assert environment["NO_PROXY"] == "localhost,upper.example,127.0.0.1,::1"
    assert environment["no_proxy"] == "lower.example,127.0.0.1,localhost,::1"
    monkeypatch.delenv("no_proxy")
    assert client_environment("http://x/v1")["no_proxy"] == "localhost,upper.example,127.0.0.1,::1"


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("fe80::1%lo", False),
    ],
)
def test_only_this_machine_reaches_a_local_address(address: str, local: bool) -> None:
    assert is_local(address) is local
