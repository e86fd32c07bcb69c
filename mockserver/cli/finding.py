"""Which scenario a command line means."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from mockserver.errors import UsageError
from mockserver.loading import load_scenarios
from mockserver.scenario import Scenario
from mockserver.server import DEFAULTS


def find_scenarios(files: Sequence[str]) -> tuple[Scenario, ...]:
    """The scenarios of the files, and those that come with the server."""
    given = load_scenarios(files).scenarios if files else ()
    names = {scenario.name for scenario in given}
    return (*given, *(s for s in load_scenarios([DEFAULTS]).scenarios if s.name not in names))


def find_scenario(name: str, files: Sequence[str]) -> Scenario:
    """The scenario called `name` in the files, or the only one of the file `name`. Raises `UsageError`."""
    if not files and Path(name).is_file():
        found = load_scenarios([name]).scenarios
        if len(found) == 1:
            return found[0]
        names = ", ".join(scenario.name for scenario in found)
        raise UsageError(f"{name} has {len(found)} scenarios; name one before the file: {names}")
    by_name = {scenario.name: scenario for scenario in find_scenarios(files)}
    if name not in by_name:
        near = get_close_matches(name, by_name, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`mockserver list FILE` shows what there is"
        raise UsageError(f"no scenario {name!r}; {hint}")
    return by_name[name]
