"""Loading: from files, folders and texts to scenarios, and back to text."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver import loading
from mockserver.errors import ScenarioError, UsageError
from mockserver.loading import dump_scenarios, find_problems, load_scenarios, mistakes, parse_scenarios
from mockserver.loading.yaml_text import write_yaml
from mockserver.reply import Reply, ToolCall
from mockserver.scenario import ErrorReply, Match, Scenario, ScenarioFile, TextMatch, Turn
from mockserver.shorthand import Duration
from mockserver.timing import Pause, Timing
from tests.mockserver.scenario_values import DAMAGED_FILE_VALUES, FILE_VALUES, FILES

FIXTURES = Path(__file__).parents[3] / "fixtures"

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file into a folder of its own, which is the current one, so that messages name short paths."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str | bytes) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read_problems(*paths: str | Path) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenarios(paths)
    return [str(problem) for problem in caught.value.problems]


def list_names(file: ScenarioFile) -> list[str]:
    return [scenario.name for scenario in file.scenarios]


def test_the_first_scenario_file_means_what_it_says() -> None:
    assert load_scenarios([FIXTURES / "first.yaml"]) == ScenarioFile(
        scenarios=(
            Scenario(
                "paced",
                match=Match(model="gpt-*", last_user=TextMatch("contains", "pace")),
                reply=Reply(content=" 000 001 002", pieces=(" 000", " 001", " 002")),
                timing=Timing(ttft=Pause("fixed", (0.1,)), itl=Pause("fixed", (0.02,))),
            ),
            Scenario(
                "flaky",
                match=Match(last_user=TextMatch("exact", "retry me")),
                sequence=(
                    Turn(error=ErrorReply(429, code="rate_limit_exceeded", headers={"Retry-After": "1"}), times=2),
                    Turn(reply=Reply(content="here now")),
                ),
            ),
            Scenario(
                "tools",
                match=Match(has_tools=True),
                reply=Reply(tool_calls=(ToolCall("get_weather", {"city": "Paris"}),)),
                timing=Timing(ttft=Pause("fixed", (0.0,)), itl=Pause("uniform", (0.005, 0.015)), seed=7),
            ),
        )
    )


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_fixture_loads(file: Path) -> None:
    assert load_scenarios([file]).scenarios


ONE = Scenario("a", reply="x", timing=Timing(headers=Duration(0.02)))


@pytest.mark.parametrize(
    "text",
    [
        "scenarios:\n- name: a\n  reply: x\n  timing: {headers: 20ms}\n",
        "- name: a\n  reply: x\n  timing: {headers: 20ms}\n",
        "name: a\nreply: x\ntiming: {headers: 20ms}\n",
        '{"name": "a", "reply": "x", "timing": {"headers": 0.02}}',
    ],
)
def test_a_file_holds_scenarios_or_a_bare_list_or_a_single_one(text: str) -> None:
    assert parse_scenarios(text) == ScenarioFile((ONE,))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "scenarios:\n- name: a\n- name: b\n  timing:\n    itl: fast",
            "5: scenarios[1].timing.itl: expected a duration",
        ),
        ("- name: a\n- name: b\n  timing:\n    itl: fast", "4: [1].timing.itl: expected a duration"),
        ("name: b\ntiming:\n  itl: fast", "3: timing.itl: expected a duration"),
        ("reply: x", "1: missing key 'name'"),
        ("scenario: []", "1: scenario: unknown key 'scenario' (did you mean 'scenarios'?)"),
        ("{}", "1: missing key 'scenarios'"),
        ("\n3", "2: expected a mapping, got the number 3"),
        ("- 3", "1: [0]: expected a mapping, got the number 3"),
        ("null", "1: expected a mapping, got nothing"),
        ("# nothing", "1: empty: expected scenarios"),
        ("name: a\nscenarios: []", "1: name: unknown key 'name'"),
    ],
)
def test_places_fit_what_the_user_wrote(text: str, problem: str) -> None:
    [found] = find_problems(text)
    assert str(found).startswith(problem)


def test_a_name_of_a_file_decides_how_it_is_read() -> None:
    only_yaml = "name: a"
    assert list_names(parse_scenarios(only_yaml, "a.txt")) == ["a"]
    assert str(find_problems(only_yaml, "a.Json")[0]) == "a.Json:1: not JSON: expecting value at column 1"


def test_mistakes_in_reading_and_in_the_scenarios_are_told_together_in_the_order_of_lines() -> None:
    text = "scenarios:\n- name: a\n  replay: x\n- name: b\n  name: c\n- name: a\n  seed: 9e999\n- name: 3\n"
    assert [str(problem) for problem in find_problems(text, "f.yaml")] == [
        "f.yaml:3: scenarios[0].replay: unknown key 'replay' (did you mean 'reply'?)",
        "f.yaml:5: scenarios[1].name: the key was given before, on line 4 (keep one of them)",
        "f.yaml:6: scenarios[2].name: the name 'a' is taken: f.yaml:2: scenarios[0].name has it",
        "f.yaml:7: scenarios[2].seed: the number 9e999 is too large (quote it if it is a text)",
        'f.yaml:8: scenarios[3].name: expected a text, got the number 3 (quote it: "3")',
    ]


def test_what_could_not_be_read_is_not_called_a_wrong_type_as_well() -> None:
    assert [str(problem) for problem in find_problems("name: a\ndescription: 1e999")] == [
        "2: description: the number 1e999 is too large (quote it if it is a text)"
    ]


def test_names_are_unique_in_a_file() -> None:
    assert [str(problem) for problem in find_problems("- name: a\n- name: b\n- name: a\n- name: a")] == [
        "3: [2].name: the name 'a' is taken: line 1: [0].name has it",
        "4: [3].name: the name 'a' is taken: line 1: [0].name has it",
    ]


def test_names_are_unique_across_files_and_both_places_are_told(write: Write) -> None:
    first = write("one.yaml", "name: a")
    second = write("two.yaml", "scenarios:\n  - name: b\n  - name: a\n")
    assert read_problems(first, second) == [
        "two.yaml:3: scenarios[1].name: the name 'a' is taken: one.yaml:1: name has it"
    ]


def test_files_are_joined_in_the_order_given(write: Write) -> None:
    write("b.yaml", "scenarios: [{name: b1}, {name: b2}]\nmodels: [gpt-b]")
    write("a.json", '{"scenarios": [{"name": "a"}], "models": ["gpt-a"]}')
    file = load_scenarios(["b.yaml", Path("a.json")])
    assert list_names(file) == ["b1", "b2", "a"]
    assert file.models == ("gpt-b", "gpt-a")


def test_of_a_folder_every_scenario_file_is_read_in_the_order_of_paths(write: Write) -> None:
    for name in ("z.yml", "a/b/c.yaml", "a/b.JSON", "m.yaml", ".hidden.yaml", ".git/x.yaml", "README.md"):
        write(f"folder/{name}", f'{{"name": "{Path(name).stem}"}}')
    assert list_names(load_scenarios(["folder"])) == ["c", "b", "m", "z"]


def test_a_file_given_twice_is_read_once(write: Write) -> None:
    path = write("folder/a.yaml", "name: a")
    assert list_names(load_scenarios(["folder", path, path.resolve()])) == ["a"]


def test_without_paths_there_are_no_scenarios() -> None:
    assert load_scenarios([]) == ScenarioFile(())


def test_the_problems_of_all_paths_are_told_at_once(write: Write) -> None:
    write("folder/b.yaml", "name: b\nreply: 1\n")
    write("folder/a.yaml", "name: a\nrepli: x\n")
    write("folder/aa.yaml", b"\xff")
    assert [problem.split(": ")[0] for problem in read_problems("folder", "missing.yaml")] == [
        "missing.yaml",
        "folder/aa.yaml:1",
        "folder/a.yaml:2",
        "folder/b.yaml:2",
    ]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.yaml", b"name: a\nreply: \xff", "a.yaml:2: not UTF-8: byte 0xff (save the file as UTF-8)"),
        ("a.yaml", "name: a".encode("utf-16"), "a.yaml:1: not UTF-8: UTF-16 (save the file as UTF-8)"),
        ("a.json", b'{"name":\n"\xe9"}', "a.json:2: not UTF-8: byte 0xe9 (save the file as UTF-8)"),
        (
            "a.yaml",
            b"name: a\0",
            'a.yaml:1: the character U+0000 may not stand here (in double quotes write "\\u0000")',
        ),
    ],
)
def test_a_file_that_is_no_text_is_refused_with_its_line(write: Write, name: str, content: bytes, problem: str) -> None:
    assert read_problems(write(name, content)) == [problem]


def test_a_byte_order_mark_is_accepted(write: Write) -> None:
    files = [write("a.yaml", b"\xef\xbb\xbfname: a"), write("b.json", b'\xef\xbb\xbf{"name":"b"}')]
    assert list_names(load_scenarios(files)) == ["a", "b"]


def test_a_file_beyond_the_bound_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_CHARACTERS", 10)
    assert list_names(load_scenarios([write("a.yaml", "name: abcd")])) == ["abcd"]
    assert read_problems(write("a.yaml", "name: abcde")) == ["a.yaml: longer than 10 bytes"]


def test_a_path_that_cannot_be_read_is_named_with_the_reason_of_the_system(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("folder/readme.md", "").parent
    write("linked/a.yaml", "name: a")
    Path("linked/broken.yaml").symlink_to("nowhere")
    assert read_problems("missing.yaml") == ["missing.yaml: cannot be read: No such file or directory"]
    assert read_problems("nul\0.yaml") == ["nul\0.yaml: cannot be read: a path holds no NUL"]
    assert read_problems("linked") == ["linked/broken.yaml: cannot be read: No such file or directory"]
    assert read_problems(folder) == ["folder: no scenario file in this folder: expected one of *.yaml, *.yml, *.json"]

    def refuse(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refuse)
    assert read_problems("folder") == ["folder: cannot be read: Permission denied"]
    assert issubclass(ScenarioError, UsageError)


def test_an_error_shows_the_first_problem_and_how_to_see_the_others() -> None:
    with pytest.raises(ScenarioError, match=r"^f.yaml:1: name: .* \(and 1 more: `mockserver validate` shows all\)$"):
        parse_scenarios("name: 3\nseed: x", "f.yaml")


def test_a_mistake_that_nobody_can_explain_is_told_as_msgspec_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "find_mistakes", lambda *_: iter(()))
    assert [str(problem) for problem in find_problems("name: 3")] == ["scenarios[0].name: Expected `str`, got `int`"]


def test_a_right_file_is_read_without_the_library_that_explains_wrong_ones() -> None:
    code = (
        "import sys; from mockserver.loading import parse_scenarios; parse_scenarios('name: a'); "
        "print([name for name in ('jsonschema', 'hypothesis', 'openai', 'rich') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@given(FILES)
def test_what_is_written_is_read_back_equal(file: ScenarioFile) -> None:
    text = dump_scenarios(file)
    assert parse_scenarios(text) == file
    assert dump_scenarios(parse_scenarios(text)) == text


@given(FILE_VALUES, st.sampled_from([None, 1]))
def test_a_json_file_and_a_yaml_file_of_the_same_values_are_the_same(values: Any, indent: int | None) -> None:
    assert parse_scenarios(json.dumps(values, indent=indent), "a.json") == parse_scenarios(write_yaml(values), "a.yaml")


@given(DAMAGED_FILE_VALUES)
def test_a_file_has_problems_if_and_only_if_it_cannot_be_read(values: Any) -> None:
    for text, name in ((write_yaml(values), "f.yaml"), (json.dumps(values, indent=1), "f.json")):
        problems = find_problems(text, name)
        if problems:
            with pytest.raises(ScenarioError) as caught:
                parse_scenarios(text, name)
            assert caught.value.problems == tuple(problems)
            assert [problem.line for problem in problems] == sorted(problem.line or 0 for problem in problems)
            assert all(problem.file == name and problem.line is not None for problem in problems)
        else:
            assert dump_scenarios(parse_scenarios(text, name))


@given(st.text(), st.sampled_from([None, "a.json"]))
def test_no_text_makes_the_search_for_problems_raise(text: str, file: str | None) -> None:
    assert all(problem.message for problem in find_problems(text, file))


def test_a_written_file_keeps_the_order_of_the_model() -> None:
    text = dump_scenarios(ScenarioFile((ONE,), ("gpt-x",)))
    assert text == "scenarios:\n  - name: a\n    reply: x\n    timing:\n      headers: 0.02\nmodels: [gpt-x]\n"


def nest(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("scenarios", "problem"),
    [
        ([ONE, ONE], "the name 'a' is taken"),
        ([Scenario("a", reply="\ud83d")], "half a character"),
        ([Scenario("a", error=ErrorReply(body={"a": float("inf")}))], "a file cannot say this"),
        ([Scenario("a", error=ErrorReply(body=nest(150)))], "nested deeper than 100 levels"),
        ([Scenario("a", error=ErrorReply(body=nest(5000)))], "nested deeper than 100 levels"),
    ],
)
def test_what_no_file_can_say_is_not_written(scenarios: list[Scenario], problem: str) -> None:
    with pytest.raises(ScenarioError, match=problem):
        dump_scenarios(ScenarioFile(tuple(scenarios)))
