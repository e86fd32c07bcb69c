"""`mockserver schema`."""

import json

import jsonschema
import pytest
import yaml

from mockserver import cli
from mockserver.quirks import DIALECT_FILES, QUIRKS
from mockserver.scenario import scenario_file_schema
from mockserver.server import DEFAULTS


def test_it_prints_a_schema_that_the_default_scenarios_fit_and_a_misspelt_key_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for file in DEFAULTS.iterdir():
        assert list(validator.iter_errors(yaml.safe_load(file.read_text()))) == []
    assert not validator.is_valid({"scenarios": [{"name": "a", "repyl": "b"}]})


def test_the_schema_names_every_quirk_and_dialect_for_the_editor_to_complete() -> None:
    delivery = scenario_file_schema()["$defs"]["Delivery"]["properties"]
    assert set(delivery["quirks"]["items"]["enum"]) == set(QUIRKS)
    [names] = [option["enum"] for option in delivery["dialect"]["anyOf"] if "enum" in option]
    assert set(names) == set(DIALECT_FILES)
