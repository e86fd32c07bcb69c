"""The model of a delivery: known names, and what a raw stream takes beside itself."""

import re
from typing import Any

import pytest

from mockserver.delivery import Delivery
from mockserver.errors import ScenarioError
from mockserver.quirks import DIALECT_FILES, QUIRKS
from mockserver.scenario import Scenario, convert


def test_quirks_and_dialects_are_known_by_name_and_asked_about_if_misspelt() -> None:
    for dialect in DIALECT_FILES:
        assert Delivery(quirks=tuple(QUIRKS), dialect=dialect).dialect == dialect
    quirk = max(QUIRKS, key=len)
    with pytest.raises(ValueError, match=re.escape(f"unknown quirk '{quirk}x'; did you mean '{quirk}'?")):
        Delivery(quirks=(f"{quirk}x",))
    with pytest.raises(ValueError, match="unknown dialect '~'; `mockserver list` shows them all"):
        Delivery(dialect="~")
    with pytest.raises(ValueError, match=r"^unknown quirk '~'; .*; unknown quirk '!'; .*; unknown dialect '~'; "):
        Delivery(quirks=("~", "!"), dialect="~")


RAW = {"events": ["{}"]}
BYTES = {"body": "data: [DONE]\n\n"}
IDLE: list[tuple[dict[str, Any], str]] = [
    # the delivery, and what in it would do nothing
    ({"raw": BYTES, "dialect": "azure"}, "`dialect`"),
    ({"raw": BYTES, "quirks": ["done-missing", "data-no-space"]}, "`quirks`"),
    ({"raw": BYTES, "group": 2, "json": {"ascii": True}}, "`group`, `json`"),
    ({"raw": BYTES, "edits": [{"merge": {"a": 1}}]}, "`edits`"),
    ({"raw": BYTES, "inserts": [{"before": 0, "data": "x", "right": "error"}]}, "`inserts`"),
    ({"raw": {"base64": "AA=="}, "framing": {"line_end": "crlf"}}, "`framing`"),
    ({"raw": BYTES, "faults": [{"fault": "bad_json"}, {"fault": "close"}, {"fault": "only"}]}, "fault bad_json, fault only"),
    ({"raw": RAW, "dialect": "azure"}, "`dialect`"),
    ({"raw": RAW, "group": [2], "edits": [{"merge": {"a": 1}}]}, "`group`, `edits`"),
    ({"raw": RAW, "quirks": ["done-missing", "usage-missing"]}, "quirk usage-missing"),
]  # fmt: skip


@pytest.mark.parametrize(("delivery", "idle"), IDLE)
def test_what_would_do_nothing_to_a_raw_stream_is_refused(delivery: dict[str, Any], idle: str) -> None:
    with pytest.raises(ScenarioError, match=f"as they are: beside them {idle} would do nothing"):
        Scenario.of({"name": "raw", "reply": "Hi", "delivery": delivery})


def test_what_acts_on_a_raw_stream_may_stand_beside_it() -> None:
    shared = {"http": {"coding": "gzip"}, "writes": {"mode": "bytes"}, "faults": [{"fault": "close"}]}
    bytes_alone = convert({"raw": BYTES, **shared}, Delivery)
    events = convert(
        {
            "raw": RAW,
            **shared,
            "faults": [{"fault": "bad_json"}],
            "quirks": ["done-twice", "data-no-space"],
            "json": {"spaces": True},
            "framing": {"line_end": "cr"},
            "inserts": [{"before": 0, "data": "x"}],
        },
        Delivery,
    )
    assert bytes_alone.raw is not None
    assert events.raw is not None
