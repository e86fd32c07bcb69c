"""`mockserver schema`: the JSON Schema of a scenario file."""

import json

EXAMPLES = """\b
[bold]For an editor that completes scenario files[/bold]
  mockserver schema > scenarios.schema.json
  and as the first line of each YAML file:
  # yaml-language-server: $schema=scenarios.schema.json
"""


def schema() -> int:
    """Print the JSON Schema (draft 2020-12) of a scenario file."""
    from mockserver.scenario import scenario_file_schema

    print(json.dumps(scenario_file_schema(), indent=2, ensure_ascii=False))
    return 0
