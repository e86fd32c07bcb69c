"""`mockserver list` and `mockserver explain`: what there is, and what each of it does."""

import inspect
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from mockserver.cli.plans import RIGHTS, plan_answer, tell_right

LIST_EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver list                 what comes with the server
  mockserver list scenarios/      and the scenarios of a folder
  mockserver explain reset        one of them in full
"""

EXPLAIN_EXAMPLES = """\b
[bold]Examples[/bold]
  mockserver explain azure                 a dialect
  mockserver explain tool-index-missing    a quirk
  mockserver explain error_event           a fault
"""


def list_all(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|FOLDER", help="Scenario files to list too.")
    ] = None,
) -> int:
    """List scenarios, dialects, quirks and faults, with one line each."""
    sections = _sections(files or [])
    width = max(len(name) for section in sections.values() for name in section)
    for title, section in sections.items():
        print(f"{title}:")
        for name, says in section.items():
            print(f"  {name:<{width}}  {says}".rstrip())
        print()
    print("`mockserver explain NAME` tells more of each.")
    return 0


def _sections(files: Sequence[str]) -> dict[str, dict[str, str]]:
    from mockserver.cli.finding import find_scenarios
    from mockserver.dialects import load_dialects
    from mockserver.faults import FAULTS
    from mockserver.quirks import QUIRKS

    return {
        "Scenarios": {scenario.name: scenario.description for scenario in find_scenarios(files)},
        "Dialects": {name: dialect.says for name, dialect in load_dialects().items()},
        "Quirks": {name: quirk.says for name, quirk in QUIRKS.items()},
        "Faults": {name: _first_line(fault) for name, fault in FAULTS.items()},
    }


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A scenario, dialect, quirk or fault.")],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|FOLDER", help="Scenario files to look in too.")
    ] = None,
) -> int:
    """Say what a scenario, dialect, quirk or fault does, who sends it, and what a right consumer does."""
    from mockserver.cli.finding import find_scenarios
    from mockserver.dialects import load_dialects
    from mockserver.errors import UsageError
    from mockserver.faults import FAULTS
    from mockserver.quirks import QUIRKS

    scenarios = {scenario.name: scenario for scenario in find_scenarios(files or [])}
    dialects = load_dialects()
    tables: list[tuple[Any, Any]] = [
        (scenarios, _explain_scenario),
        (dialects, _explain_dialect),
        (QUIRKS, _explain_quirk),
        (FAULTS, _explain_fault),
    ]
    for table, describe in tables:
        if name in table:
            print("\n".join(describe(table[name])))
            return 0
    near = get_close_matches(name, [*scenarios, *dialects, *QUIRKS, *FAULTS], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`mockserver list` shows what there is"
    raise UsageError(f"nothing is called {name!r}; {hint}")


def _explain_scenario(scenario: Any) -> Iterator[str]:
    from mockserver.loading import dump_scenarios
    from mockserver.request import DEFAULT_BODY, parse_request
    from mockserver.scenario import ScenarioFile

    yield f"{scenario.name}, a scenario. {scenario.description}".rstrip()
    request = parse_request(DEFAULT_BODY)
    yield from tell_right(plan_answer(scenario, scenario.turn(0), request))
    yield ""
    yield dump_scenarios(ScenarioFile((scenario,))).rstrip()


def _explain_dialect(dialect: Any) -> Iterator[str]:
    import msgspec

    from mockserver.shorthand import encode_shorthand

    yield f"{dialect.name}, a dialect: {dialect.says}"
    yield "Sources:"
    yield from (f"  {source}" for source in dialect.sources)
    yield "In a scenario file:"
    yield f"  delivery: {{dialect: {dialect.name}}}"
    yield "which is short for:"
    yield from _yaml({"delivery": msgspec.to_builtins(dialect.delivery, enc_hook=encode_shorthand)})


def _explain_quirk(quirk: Any) -> Iterator[str]:
    yield f"{quirk.name}, a quirk on the arrow of {quirk.arrow}: {quirk.says}."
    yield f"Who sends it: {quirk.sent_by}."
    hides = f"; nothing is expected of {', '.join(quirk.hides)}" if quirk.hides else ""
    yield f"A right consumer reports: {RIGHTS[quirk.right]}{hides}."
    yield "In a scenario file:"
    yield f"  delivery: {{quirks: [{quirk.name}]}}"


def _explain_fault(kind: Any) -> Iterator[str]:
    import msgspec

    example = kind()
    yield f"{kind.__struct_config__.tag}, a fault on the arrow of {kind.arrow}: {_first_line(kind)}"
    yield f"Who sends it: {kind.sent_by}."
    yield f"A right consumer, with the options as they stand by default, reports: {RIGHTS[example.right]}."
    yield "Options:"
    schema = msgspec.json.schema(kind, schema_hook=_schema)
    for name, option in schema["$defs"][kind.__name__]["properties"].items():
        if name != "fault":
            yield f"  {name:<12} {_option(option, getattr(example, name))}".rstrip()
    yield from getattr(kind, "explanations", tuple)()
    yield "In a scenario file:"
    yield from _yaml({"delivery": {"faults": [{"fault": kind.__struct_config__.tag}]}})


def _schema(kind: type) -> dict[str, Any]:
    from mockserver.shorthand import shorthand_schema

    return shorthand_schema(kind)


def _option(option: dict[str, Any], default: Any) -> str:
    words = [option.get("description", "")]
    if "enum" in option:
        words.append("One of " + ", ".join(map(str, option["enum"])) + ".")
    if default not in (None, "", ()) and "Default:" not in words[0]:
        words.append(f"Default: {_flow(default)}.")
    return " ".join(word for word in words if word)


def _flow(value: Any) -> str:
    """A value as a file writes it, in one line."""
    import msgspec
    import yaml

    from mockserver.shorthand import encode_shorthand

    plain = msgspec.to_builtins(value, enc_hook=encode_shorthand)
    return str(yaml.safe_dump(plain, default_flow_style=True, width=1000)).removesuffix("...\n").strip()


def _yaml(value: Any) -> Iterator[str]:
    import yaml

    text = yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True, width=110)
    return (f"  {line}" for line in text.splitlines())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
