"""What `mockserver show`, `list` and `explain` print."""

import json
from pathlib import Path

import pytest

from mockserver.cli import main
from mockserver.cli.show import readable
from mockserver.dialects import load_dialects
from mockserver.faults import FAULTS
from mockserver.quirks import QUIRKS

SCENARIO = """
scenarios:
  - name: cut
    reply: "Hello there"
    timing: {ttft: 20ms}
    delivery: {faults: [{fault: reset, at: {after_event: 1}}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "cut.yaml"
    path.write_text(SCENARIO)
    return str(path)


def test_show_prints_each_step_with_its_due_time_and_bytes(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cut", file]) == 0
    printed = capsys.readouterr().out
    assert "20.0 ms  head" in printed
    assert r"HTTP/1.1 200 OK\r\n" in printed
    assert "abort" in printed
    assert "A right consumer reports: an error, because of reset." in printed


def test_show_is_bounded_and_says_so(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", file, "--limit", "1"]) == 0
    assert "there is more" in capsys.readouterr().out


def test_show_raw_writes_the_bytes_of_the_body(file: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["show", "cut", file, "--raw"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"data: {")


def test_show_raw_writes_the_body_of_an_answer_that_is_not_streamed(
    file: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}))
    assert main(["show", "one-plus-one", "--request", str(request), "--raw"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["object"] == "chat.completion"


def test_show_json_tells_the_steps_and_what_is_expected(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cut", file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [step["step"] for step in told["steps"]][-1] == "abort"
    assert (told["expected"]["right"], told["complete"], told["status"]) == ("error", True, 200)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing-of-that-name"], "no scenario"),
        (["show", "count-to-10"], "did you mean 'count-to-100'"),
        (["show", "one-plus-one", "--request", "/no/such/file"], "cannot read the request"),
        (["explain", "resett"], "did you mean 'reset'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_list_names_everything_there_is(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", file]) == 0
    printed = capsys.readouterr().out
    for name in ("cut", "count-to-100", *QUIRKS, *FAULTS, *load_dialects()):
        assert f"\n  {name}" in printed


@pytest.mark.parametrize("name", [*QUIRKS, *FAULTS, *load_dialects(), "count-to-100"])
def test_explain_tells_of_each_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{name}, a ")
    if name in QUIRKS or name in FAULTS:
        assert "A right consumer" in printed


def test_bytes_that_do_not_print_are_escaped_and_long_ones_bounded() -> None:
    assert readable(b"a\r\n\x00\\\xff") == r"a\r\n\x00\\\\xff"
    assert readable(b"x" * 30, limit=10) == "xxxxxxxxxx… 20 bytes more"
