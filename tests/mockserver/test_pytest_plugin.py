"""The fixture `mock_openai`, in pytest runs of their own."""

import os
import sys
from textwrap import dedent

import pytest

# Imported here because pytester forgets what a run imports, and PyYAML's compiled half bears no second import.
import yaml  # noqa: F401

import mockserver.access
import mockserver.server  # noqa: F401

PLUGIN = (
    "-p",
    "no:mockserver",
    "-p",
    "mockserver.pytest_plugin",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
)

ASK = dedent("""
    import json, os, urllib.request

    def ask(content, key=None):
        request = urllib.request.Request(
            os.environ["OPENAI_BASE_URL"] + "/chat/completions",
            json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": content}]}).encode(),
            {"Authorization": f"Bearer {key or os.environ['OPENAI_API_KEY']}"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)["choices"][0]["message"]["content"]
""")


def test_the_environment_points_to_the_server_during_the_test_and_is_restored_after_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://before/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "internal.example")
    monkeypatch.delenv("no_proxy", raising=False)
    pytester.makepyfile(
        ASK
        + dedent("""
        import os

        def test_during(mock_openai):
            mock_openai.reply("from the mock")
            assert ask("hello") == "from the mock"
            assert os.environ["OPENAI_BASE_URL"] == mock_openai.base_url
            assert os.environ["OPENAI_API_KEY"] == "test"
            assert os.environ["NO_PROXY"].split(",")[:2] == ["internal.example", "127.0.0.1"]
            assert [request.body["model"] for request in mock_openai.requests] == ["gpt-4o"]

        def test_after():
            assert os.environ["OPENAI_BASE_URL"] == "http://before/v1"
            assert "OPENAI_API_KEY" not in os.environ
            assert os.environ["NO_PROXY"] == "internal.example"
            assert "no_proxy" not in os.environ
        """)
    )
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=2)


def test_each_test_has_a_server_without_a_past(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", range(3))
        def test_fresh(mock_openai, n):
            assert mock_openai.requests == []
            assert "mine" not in [scenario.name for scenario in mock_openai.scenarios]
            mock_openai.reply("again", name="mine")
        """
    )
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=3)


def test_a_marker_says_what_the_server_is_made_with(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", scenarios="{name: filed, reply: from the file}")
    pytester.makepyfile(
        ASK
        + dedent("""
        import pytest, urllib.error

        @pytest.mark.mock_openai("scenarios.yaml", api_key="sk-mine", strict=True)
        def test_marked(mock_openai):
            assert ask("hello") == "from the file"
            with pytest.raises(urllib.error.HTTPError, match="401"):
                ask("hello", key="sk-other")
        """)
    )
    pytester.runpytest_inprocess(*PLUGIN, "--strict-markers").assert_outcomes(passed=1)


def test_a_wrong_scenario_file_is_an_error_that_names_the_line(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", scenarios="name: filed\nrepyl: from the file")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.mock_openai("scenarios.yaml")
        def test_marked(mock_openai):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ScenarioError: scenarios.yaml:2: *did you mean 'reply'?*"])


def test_the_report_of_a_failed_test_says_what_was_asked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        ASK
        + dedent("""
        def test_fails(mock_openai):
            mock_openai.reply("no", name="mine")
            assert ask("hello") == "yes"

        def test_asks_nothing(mock_openai):
            assert False

        def test_passes(mock_openai):
            assert ask("What's 1+1? Answer in one word.") == "Two."
        """)
    )
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*- mock_openai -*",
            "POST /v1/chat/completions (gpt-4o) -> 200 by mine (first match): complete, * bytes in * s; seed 0/mine/*",
            "*- mock_openai -*",
            "nothing was asked",
        ]
    )
    result.stdout.no_fnmatch_line("*one-plus-one*")


def test_a_fixture_of_that_name_that_is_the_users_own_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def mock_openai():
            return object()

        def test_fails(mock_openai):
            assert False
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*- mock_openai -*")


def test_async_tests_may_use_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        ASK
        + dedent("""
        import asyncio

        def test_in_a_loop(mock_openai):
            mock_openai.reply("from the mock")

            async def run():
                return await asyncio.to_thread(ask, "hello")

            assert asyncio.run(run()) == "from the mock"
        """)
    )
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)


def test_loaded_by_its_entry_point_it_imports_nothing_heavy_until_the_fixture_is_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    pytester.makepyfile(
        """
        import sys

        def test_before():
            loaded = {name for name in sys.modules if name.split(".")[0] == "mockserver"}
            assert loaded == {"mockserver", "mockserver._version", "mockserver.pytest_plugin"}
            assert not {"starlette", "uvicorn", "msgspec", "httptools", "uvloop", "yaml"} & set(sys.modules)

        def test_use(mock_openai):
            assert mock_openai.base_url.startswith("http://127.0.0.1:")
            assert "mockserver.server" in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "no:hypothesispytest").assert_outcomes(passed=2)


STREAM_CASE = dedent("""
    import json, urllib.request
    import pytest

    def my_client(case):
        request = urllib.request.Request(
            case.base_url + "/chat/completions", json.dumps(case.request).encode(), {"Content-Type": "application/json"})
        got = {"content": "", "finish_reason": None}
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
            for line in response.read().decode().splitlines():
                if line.startswith("data: {"):
                    for choice in json.loads(line[6:])["choices"]:
                        got["content"] += choice["delta"].get("content") or ""
                        got["finish_reason"] = choice["finish_reason"] or got["finish_reason"]
        return got
""")


def test_a_test_that_uses_stream_case_is_run_once_for_each_case_chosen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        STREAM_CASE
        + dedent("""
        @pytest.mark.stream_cases("plain", "sse-crlf", "n-*", lacks=("n", "usage"))
        def test_my_client(stream_case):
            stream_case.run(my_client)
        """)
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "-v", "--stream-cases", "plain", "--stream-cases", "n-two*")
    result.stdout.fnmatch_lines(["*test_my_client[[]plain[]] PASSED*"])
    result.stdout.no_fnmatch_line("*sse-crlf*")
    assert result.ret == 0


def test_what_the_code_lacks_is_skipped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        STREAM_CASE
        + dedent("""
        @pytest.mark.stream_cases("n-tool-calls", lacks=("n", "usage"))
        def test_my_client(stream_case):
            stream_case.run(my_client)
        """)
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*the consumer lacks n*"])


def test_a_case_whose_extra_is_not_installed_is_skipped_and_the_others_are_played(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    pytester.makepyfile(
        STREAM_CASE
        + dedent("""
        @pytest.mark.stream_cases("http-br", "plain", lacks=("usage",))
        def test_my_client(stream_case):
            stream_case.run(my_client)
        """)
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*needs the extra brotli: pip install 'openai-mockserver[[]brotli[]]'*"])


def test_a_failed_case_tells_requirement_expected_and_got(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        STREAM_CASE
        + dedent("""
        @pytest.mark.stream_cases("plain", lacks=("usage",))
        def test_my_client(stream_case):
            with stream_case.expecting() as got:
                got |= {**my_client(stream_case), "content": "lost"}
        """)
    )
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*CaseFailedError: plain: fail: *", "*must: *", "*content: expected *got 'lost'*", "*got: {*"]
    )


def test_a_test_that_has_nothing_judged_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.stream_cases('plain')\ndef test_nothing(stream_case): pass")
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stream_case was given nothing to judge*"])


def test_globs_that_no_case_has_are_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.stream_cases('no-such-*')\ndef test_nothing(stream_case): pass")
    result = pytester.runpytest_inprocess(*PLUGIN)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*no case has an id like no-such-*"])


def test_a_fixture_stream_case_that_is_the_users_own_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.fixture\ndef stream_case(): return 3\ndef test_mine(stream_case): assert stream_case == 3"
    )
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
