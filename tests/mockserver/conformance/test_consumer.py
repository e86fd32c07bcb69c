"""The driver: programs that answer, hang, die, babble or leave children, and what is left of them afterwards."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.conformance import consumer
from mockserver.conformance.consumer import Program
from mockserver.errors import UsageError
from tests.mockserver.conformance.programs import write_program
from tests.support import open_descriptors, wait_until

BOUND_S = 20.0
LINE: dict[str, Any] = {
    "case": "one",
    "base_url": "http://127.0.0.1:9/v1",
    "api_key": "test",
    "timeout_s": 5,
    "request": {"model": "m"},
}


@pytest.fixture(autouse=True)
def _nothing_is_left_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(consumer, "_STOP_BOUND_S", 0.2)
    threads, descriptors = threading.active_count(), open_descriptors()
    yield
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_program_says_who_it_is_and_answers_line_by_line(tmp_path: Path) -> None:
    command = write_program(tmp_path, "main(lambda line: {'content': line['request']['model'], 'pid': os.getpid()})")
    program = Program(command)
    hello = program.start()
    assert (hello.name, hello.version) == ("tiny", "1.0")
    assert hello.lacks == {"tools", "n", "refusal", "reasoning"}
    first, second = program.run(LINE, BOUND_S), program.run({**LINE, "case": "two"}, BOUND_S)
    program.stop()
    assert (first.ended, first.answer["content"], second.answer["case"]) == ("answer", "m", "two")
    assert first.answer["pid"] == second.answer["pid"]
    assert 0 < first.took_s < BOUND_S
    assert not is_alive(first.answer["pid"])


@pytest.mark.parametrize(
    ("lacks", "told"),
    [
        ("tools", "expected `lacks` to be a list of words, got 'tools'"),
        ([1], "expected `lacks` to be a list of words, got [1]"),
        ({"tools": True}, "expected `lacks` to be a list of words, got {'tools': True}"),
        (["tools", "tool_id"], "`lacks` has the unknown word 'tool_id'; did you mean 'tool_ids'?"),
        (["zzz"], "`lacks` has the unknown word 'zzz'; known are: content, tools, "),
    ],
)
def test_what_it_lacks_is_told_in_the_words_of_the_protocol_or_refused_in_one_line(
    lacks: Any, told: str, tmp_path: Path
) -> None:
    command = write_program(tmp_path, f"main(run, {lacks!r})")
    with pytest.raises(UsageError) as caught:
        Program(command).start()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_deltas_are_kept_with_their_times_and_other_lines_are_passed_over(tmp_path: Path) -> None:
    source = """
        def answer(line):
            print("loading the model, please wait"); print("[1, 2]"); print('"text"')
            say(case="another", content="not this one")
            say(case="one", delta="Hel")
            time.sleep(0.05)
            say(case="one", delta="lo")
            return {"content": "Hello"}
        main(answer)
    """
    program = Program(write_program(tmp_path, source))
    program.start()
    report = program.run(LINE, BOUND_S)
    program.stop()
    assert [text for _, text in report.deltas] == ["Hel", "lo"]
    assert report.deltas[1][0] - report.deltas[0][0] >= 0.045
    assert report.answer["content"] == "Hello"


def test_one_that_hangs_is_killed_with_its_children_and_started_anew(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    source = f"""
        def answer(line):
            if line["case"] != "one":
                return {{"content": "back again"}}
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            open({str(note)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
            say(case="one", delta="still here")
            print("about to hang", file=sys.stderr, flush=True)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        main(answer)
    """
    program = Program(write_program(tmp_path, source))
    program.start()
    started = time.monotonic()
    report = program.run(LINE, 1.0)
    took_s = time.monotonic() - started
    pids = [int(pid) for pid in note.read_text().split()]
    assert report.ended == "hang"
    assert 1.0 <= took_s < 10
    assert [text for _, text in report.deltas] == ["still here"]
    assert "about to hang" in report.output
    wait_until(lambda: not any(map(is_alive, pids)), "program and child are killed")
    again = program.run({**LINE, "case": "two"}, BOUND_S)
    program.stop()
    assert again.answer["content"] == "back again"


@pytest.mark.parametrize("how", ["sys.exit(3)", "os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError('no good')"])
def test_one_that_dies_is_a_crash_and_started_anew(tmp_path: Path, how: str) -> None:
    source = f"""
        def answer(line):
            if line["case"] == "one":
                {how}
            return {{"content": "back again"}}
        main(answer)
    """
    program = Program(write_program(tmp_path, source))
    program.start()
    report = program.run(LINE, BOUND_S)
    assert report.ended == "crash"
    assert report.took_s < BOUND_S / 2
    assert ("no good" in report.output) == ("raise" in how)
    assert program.run({**LINE, "case": "two"}, BOUND_S).answer["content"] == "back again"
    program.stop()


def test_one_that_died_between_two_cases_is_a_crash_of_the_next(tmp_path: Path) -> None:
    source = """
        say(consumer="brief")
        line = json.loads(sys.stdin.readline())
        say(case=line["case"], pid=os.getpid())
        os.close(0)
    """
    program = Program(write_program(tmp_path, source))
    program.start()
    pid = program.run(LINE, BOUND_S).answer["pid"]
    wait_until(lambda: not is_alive(pid))
    assert program.run({**LINE, "case": "two", "padding": "x" * 1_000_000}, BOUND_S).ended == "crash"
    program.stop()


def test_one_that_cannot_be_started_anew_is_a_crash_each_time(tmp_path: Path) -> None:
    flag = tmp_path / "was-here"
    source = f"""
        if os.path.exists({str(flag)!r}):
            sys.exit("only once")
        open({str(flag)!r}, "w").close()
        main(lambda line: sys.exit(1))
    """
    program = Program(write_program(tmp_path, source))
    program.start()
    reports = [program.run(LINE, BOUND_S) for _ in range(3)]
    program.stop()
    assert [report.ended for report in reports] == ["crash"] * 3
    assert "only once" in reports[1].output


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("print('Welcome!', flush=True); time.sleep(600)", "'Welcome!"),
        ("print('[]', flush=True)", r"got '\[\]"),
        ("print('{\"name\": 1}', flush=True)", "name"),
        ("sys.exit('no module named torch')", "no module named torch"),
    ],
)
def test_a_first_line_that_is_no_hello_is_explained(tmp_path: Path, source: str, told: str) -> None:
    program = Program(write_program(tmp_path, source))
    with pytest.raises(UsageError, match=told):
        program.start()


def test_one_that_never_says_hello_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "START_BOUND_S", 0.5)
    program = Program(write_program(tmp_path, "time.sleep(600)"))
    with pytest.raises(UsageError, match=r"first line .* got nothing"):
        program.start()


def test_a_command_that_does_not_exist_is_explained() -> None:
    with pytest.raises(UsageError, match="cannot start '/no/such/program': No such file"):
        Program(["/no/such/program"]).start()


def test_spawn_starts_one_process_a_case_told_by_its_environment(tmp_path: Path) -> None:
    source = """
        line = json.loads(os.environ["MOCKSERVER_LINE"])
        assert json.loads(os.environ["MOCKSERVER_REQUEST"]) == line["request"]
        assert os.environ["OPENAI_BASE_URL"] == line["base_url"] and os.environ["OPENAI_API_KEY"] == "test"
        assert os.environ["MOCKSERVER_TIMEOUT_S"] == "5" and os.environ["MINE"] == "kept"
        say(case=os.environ["MOCKSERVER_CASE"], pid=os.getpid())
    """
    program = Program(write_program(tmp_path, source), spawn=True, env={"MINE": "kept"})
    assert program.start().name == os.path.basename(sys.executable)
    reports = [program.run({**LINE, "case": name}, BOUND_S) for name in ("one", "two")]
    assert [report.answer.get("case") for report in reports] == ["one", "two"], reports
    assert len({report.answer["pid"] for report in reports}) == 2
    assert not any(is_alive(report.answer["pid"]) for report in reports)


def test_a_spawned_one_that_says_nothing_is_a_crash(tmp_path: Path) -> None:
    program = Program(write_program(tmp_path, "sys.exit('out of luck')"), spawn=True)
    program.start()
    report = program.run(LINE, BOUND_S)
    assert (report.ended, report.output.strip()) == ("crash", "out of luck")


def test_a_program_that_floods_stderr_does_not_block(tmp_path: Path) -> None:
    source = """
        def answer(line):
            for number in range(5000):
                print(f"warning {number} " + "x" * 100, file=sys.stderr)
            return {}
        main(answer)
    """
    program = Program(write_program(tmp_path, source))
    program.start()
    report = program.run(LINE, BOUND_S)
    program.stop()
    assert report.ended == "answer"
    assert len(report.output) <= 4000
