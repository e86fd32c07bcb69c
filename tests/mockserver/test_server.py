"""What a `MockServer` is made of; how it starts, stops and answers stands in tests/integration/test_mock_server.py."""

import math
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mockserver import ScenarioError, StartError, UsageError
from mockserver.scenario import Scenario
from mockserver.server import MockServer, build_service
from tests.support import RawClient, chat, open_descriptors, wait_until


def ask(server: MockServer, content: str = "hello", **headers: str) -> str:
    with RawClient(server) as client:
        return client.ask(chat(content, stream=False), **headers).content


@pytest.fixture(autouse=True, scope="module")
def first_server() -> None:
    """What a process keeps once and for all it has from now on, so that descriptors can be counted."""
    with MockServer():
        pass


def refuses(url: str) -> bool:
    """Whether nobody listens any more."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    try:
        socket.create_connection((address.hostname, address.port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_it_answers_while_the_with_statement_lasts_and_leaves_nothing_behind() -> None:
    threads, descriptors = threading.active_count(), open_descriptors()
    with MockServer() as server:
        assert ask(server, "What's 1+1? Answer in one word.") == "Two."
        url = server.url
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors
    assert refuses(url)


def test_scenarios_come_from_files_folders_objects_and_mappings_in_the_order_given(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{name: filed, reply: from a file}")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.json").write_text('{"name": "foldered", "reply": "from a folder"}')
    made = Scenario.of({"name": "made", "reply": "from an object"})
    with MockServer(tmp_path / "a.yaml", str(folder), made, {"name": "said", "reply": "from a mapping"}) as server:
        assert [scenario.name for scenario in server.scenarios[:4]] == ["filed", "foldered", "made", "said"]
        assert ask(server) == "from a file"
        with RawClient(server) as client:
            body = chat(stream=False)
            assert client.ask(body, path="/scenarios/foldered/v1/chat/completions").content == "from a folder"
            assert client.ask(body, x_mock_scenario="made").content == "from an object"
            assert client.ask({**body, "model": "said"}).content == "from a mapping"


def test_a_wrong_scenario_is_told_when_the_server_is_made() -> None:
    with pytest.raises(ScenarioError, match="repyl"):
        MockServer({"name": "wrong", "repyl": "?"})


def test_a_scenario_of_ones_own_takes_the_place_of_a_default_one() -> None:
    with MockServer({"name": "one-plus-one", "reply": "Three."}) as server:
        assert [scenario.name for scenario in server.scenarios].count("one-plus-one") == 1
        assert ask(server, "What's 1+1? Answer in one word.") == "Three."


def test_strict_knows_only_the_scenarios_it_was_given_and_says_why_none_matched() -> None:
    with (
        MockServer({"name": "bye", "match": {"last_user": "bye"}, "reply": "Bye."}, strict=True) as server,
        RawClient(server) as client,
    ):
        answer = client.ask(chat("hello", stream=False))
        assert answer.status == 404
        assert "bye: expected the last user message to equal 'bye', got 'hello'" in answer.json["error"]["message"]
        assert ask(server, "bye") == "Bye."


def test_reply_takes_the_keywords_of_a_scenario_and_of_a_reply() -> None:
    with MockServer() as server:
        scenario = server.reply(
            name="calls",
            description="d",
            seed=7,
            match={"model": "gpt-*"},
            tool_calls=[{"name": "f"}],
            timing={"ttft": "1ms"},
        )
        assert (scenario.name, scenario.description, scenario.seed) == ("calls", "d", 7)
        with RawClient(server) as client:
            message = client.ask(chat(stream=False)).json["choices"][0]["message"]
        assert [call["function"]["name"] for call in message["tool_calls"]] == ["f"]
        error = server.reply(error={"status": 503})
        assert error.name == "reply-2"
        with RawClient(server) as client:
            assert client.ask(chat(stream=False)).status == 503


def test_an_added_file_brings_its_models_and_reset_forgets_them(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("models: [known]\nscenarios: [{name: filed, reply: from a file}]")
    with MockServer() as server, RawClient(server) as client:
        server.add(tmp_path / "a.yaml")
        assert client.ask(chat(stream=False)).status == 404
        assert client.ask({**chat(stream=False), "model": "known"}).content == "from a file"
        server.reset()
        assert client.ask(chat("What's 1+1? Answer in one word.", stream=False)).content == "Two."


def test_requests_tell_what_was_asked_and_reset_forgets_it() -> None:
    with MockServer() as server:
        before = server.scenarios
        server.reply("yes", name="mine")
        ask(server, "hello", x_stainless_retry_count="2")
        [asked] = server.requests
        wait_until(lambda: asked.ended)
        assert (asked.method, asked.path, asked.status, asked.scenario) == ("POST", "/v1/chat/completions", 200, "mine")
        assert asked.body["messages"] == [{"role": "user", "content": "hello"}]
        assert (asked.why, asked.ended, asked.retry_count) == ("first match", "complete", 2)
        server.reset()
        assert server.requests == []
        assert server.scenarios == before
        assert server.reply("again").name == "reply-1"


def test_a_tokenizer_may_be_a_function() -> None:
    with MockServer({"name": "a", "reply": "abc"}, tokenizer=list) as server, RawClient(server) as client:
        assert client.ask(chat(stream=False)).json["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("scale", [-1.0, math.inf, math.nan])
def test_a_time_scale_that_is_no_stretch_is_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="time_scale: expected 0 or more, got"):
        build_service(time_scale=scale)


@pytest.mark.parametrize(
    ("sources", "options", "told"),
    [
        ((3,), {}, "expected a file, a folder, a Scenario or a mapping, got 3"),
        ((None,), {}, "expected a file, a folder, a Scenario or a mapping, got None"),
        ((["a.yaml"],), {}, r"expected a file, a folder, a Scenario or a mapping, got \['a.yaml'\]"),
        ((), {"models": "gpt-4o"}, "models: expected a list of names, got the text 'gpt-4o'"),
    ],
)
def test_what_is_no_scenario_and_no_list_of_models_is_refused(
    sources: tuple[Any, ...], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=f"^{told}$"):
        MockServer(*sources, **options)


@pytest.mark.parametrize("port", [-1, 65_536, 70_000])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(StartError, match=f"^cannot listen on port {port}: expected 0 to 65535$"):
        MockServer(port=port).start()


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(UsageError, match="api_key: expected a key that is not empty"):
        build_service(api_key="")


def test_the_environment_points_a_client_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with MockServer(api_key="sk-mine") as server:
        assert server.environment == {
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "sk-mine",
            "NO_PROXY": "127.0.0.1,localhost,::1",
            "no_proxy": "127.0.0.1,localhost,::1",
        }
