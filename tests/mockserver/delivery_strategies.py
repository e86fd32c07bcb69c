"""Hypothesis: the parts of deliveries, faults, places, as the tests of this package use them. They are public now, and live in
`mockserver.strategies`."""

from mockserver.strategies.deliveries import deliveries, framings, groups, json_styles, timings, write_modes, writes
from mockserver.strategies.faults import FAULT_OPTIONS, fault, faults
from mockserver.strategies.parts import partitions, parts
from mockserver.strategies.places import EVENT_NAMES, WITH_EVENT, WITHOUT_EVENT, durations, event_refs, places

__all__ = [
    "EVENT_NAMES",
    "FAULT_OPTIONS",
    "WITHOUT_EVENT",
    "WITH_EVENT",
    "deliveries",
    "durations",
    "event_refs",
    "fault",
    "faults",
    "framings",
    "groups",
    "json_styles",
    "partitions",
    "parts",
    "places",
    "timings",
    "write_modes",
    "writes",
]
