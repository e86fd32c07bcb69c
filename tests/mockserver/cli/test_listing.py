"""What `mockserver list` and `explain` print."""

import re

import pytest

from mockserver.cli import main
from mockserver.dialects import load_dialects
from mockserver.faults import FAULTS
from mockserver.quirks import QUIRKS


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
        assert re.search("^Who sends it: [^.]+", printed, re.M)
        assert re.search("^A right consumer.* reports: ", printed, re.M)


def test_explain_tells_of_a_scenario_what_a_right_consumer_reports(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "cut", file]) == 0
    assert "\nA right consumer reports: an error, because of reset.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("endless", "at           Where. Default: after_headers."),
        ("large_event", "at           Where. Default: {before_event: 1}."),
        ("swap", "event        Which event. Default: 1."),
        ("reset", "drain        Whether what was written is delivered first. Default: true."),
        ("endless", "every        One unit each so often. Default: as fast as they are taken."),
        ("other_body", "text         Any other body, in place of these."),
    ],
)
def test_explain_tells_what_an_option_is_by_default(name: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    assert f"\n  {line}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "reports"),
    [
        ("reset", "an error."),
        ("drop", "the reply or an error, nothing invented or doubled."),
        ("many_chunks", "the reply, whole."),
        ("usage-missing", "the reply, whole; nothing is expected of usage."),
    ],
)
def test_explain_tells_what_is_right_as_show_does(name: str, reports: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    assert f" reports: {reports}\n" in capsys.readouterr().out


def test_what_cannot_be_explained_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "resett"]) == 2
    told = capsys.readouterr().err
    assert "did you mean 'reset'" in told
    assert told.count("\n") == 1
