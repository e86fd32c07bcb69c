"""Edits, insertions and raw streams: the standards' own examples, and what becomes of a stream."""

import base64
import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.chunks import Chunk
from mockserver.edits import (
    Edit,
    Insert,
    Raw,
    RawEvent,
    edit_chunks,
    find_kind,
    insert_events,
    merge_patch,
    raw_events,
    set_pointer,
)
from mockserver.errors import ScenarioError
from mockserver.ids import Ids
from mockserver.json_text import COMPACT, JsonStyle
from mockserver.place import EventRef
from mockserver.scenario import convert
from mockserver.shorthand import encode_shorthand
from mockserver.sse import Event, Framing, Lines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)

# RFC 7396, appendix A: original, patch, result.
MERGE_PATCHES = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]


@pytest.mark.parametrize(("target", "patch", "result"), MERGE_PATCHES)
def test_a_merge_patch_does_what_the_examples_of_rfc_7396_say(target: str, patch: str, result: str) -> None:
    assert merge_patch(json.loads(target), json.loads(patch)) == json.loads(result)


@given(VALUES, VALUES)
def test_a_merge_patch_leaves_its_target_as_it_was_and_is_the_same_twice(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    once = merge_patch(target, patch)
    assert (target, patch) == before
    assert merge_patch(once, patch) == once


# RFC 6901, section 5: the document, and what each pointer points to.
DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
POINTERS: dict[str, tuple[Any, ...]] = {
    "/foo": ("foo",),
    "/foo/0": ("foo", 0),
    "/": ("",),
    "/a~1b": ("a/b",),
    "/c%d": ("c%d",),
    "/e^f": ("e^f",),
    "/g|h": ("g|h",),
    "/i\\j": ("i\\j",),
    '/k"l': ('k"l',),
    "/ ": (" ",),
    "/m~0n": ("m~n",),
}


@pytest.mark.parametrize(("pointer", "path"), POINTERS.items())
def test_a_pointer_points_where_the_examples_of_rfc_6901_say(pointer: str, path: tuple[Any, ...]) -> None:
    expected: Any = copy.deepcopy(DOCUMENT)
    holder = expected
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = "new"
    assert set_pointer(DOCUMENT, pointer, "new") == expected


@pytest.mark.parametrize(
    ("target", "pointer", "result"),
    [
        (DOCUMENT, "", 9),
        ({"a": {}}, "/a/", {"a": {"": 9}}),
        ({}, "/~01", {"~1": 9}),
        ({}, "/a/b", {"a": {"b": 9}}),
        ({"a": {"c": 1}}, "/a/b", {"a": {"c": 1, "b": 9}}),
        ([1, 2], "/2", [1, 2, 9]),
        ([1, 2], "/-", [1, 2, 9]),
        ([[1]], "/0/0", [[9]]),
        # what cannot be is left alone
        ([], "/0/delta", []),
        ([1], "/-/delta", [1]),
        ([1], "/3", [1]),
        ([1], "/01", [1]),
        ([1], "/x", [1]),
        ({"a": None}, "/a/b", {"a": None}),
        ({"a": "text"}, "/a/b", {"a": "text"}),
    ],
)
def test_a_pointer_makes_objects_on_its_way_and_nothing_else(target: Any, pointer: str, result: Any) -> None:
    before = copy.deepcopy(target)
    assert set_pointer(target, pointer, 9) == result
    assert target == before


@pytest.mark.parametrize("pointer", ["a", "a/b", "/~", "/~2", "#/a"])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="expected JSON Pointers such as /choices/0/delta"):
        Edit(set={pointer: 1})


# Edits


def make_chunk(kind: Any = "delta", **data: Any) -> Chunk:
    return Chunk({"id": "x", "choices": [{"index": 0, "delta": {}}], **data}, 0.5, kind)


CHUNKS = [make_chunk("role"), make_chunk(), make_chunk(), make_chunk("finish"), make_chunk("usage", choices=[])]


@pytest.mark.parametrize(
    ("at", "struck"),
    [(None, [0, 1, 2, 3, 4]), (1, [1]), ("role", [0]), ("delta", [1, 2]), ("finish", [3]), ("usage", [4]), (9, [])],
)
def test_an_edit_changes_the_chunks_it_is_for(at: Any, struck: list[int]) -> None:
    edit = Edit(at=None if at is None else EventRef(at), merge={"id": None}, set={"/mark": None})
    edited = list(edit_chunks(CHUNKS, [edit]))
    assert [k for k, chunk in enumerate(edited) if "mark" in chunk.data and "id" not in chunk.data] == struck
    assert [(chunk.due_s, chunk.kind) for chunk in edited] == [(chunk.due_s, chunk.kind) for chunk in CHUNKS]
    assert all("id" in chunk.data for chunk in CHUNKS), "the chunks themselves are as they were"
    assert all(edited[k] is CHUNKS[k] for k in range(5) if k not in struck)


def test_edits_are_applied_in_their_order() -> None:
    edits = [Edit(set={"/a": 1}), Edit(merge={"a": {"b": 2}}), Edit(set={"/a/c": 3})]
    assert next(edit_chunks(CHUNKS, edits)).data["a"] == {"b": 2, "c": 3}


def test_a_chunk_without_choices_gets_none_by_a_pointer() -> None:
    assert list(edit_chunks(CHUNKS, [Edit(set={"/choices/0/x": 1})]))[4].data["choices"] == []


def test_an_edit_can_say_a_number_that_json_does_not_know() -> None:
    from mockserver.json_text import write_json

    (chunk,) = edit_chunks([make_chunk()], [Edit(merge={"a": float("nan")}, set={"/b": float("inf")})])
    assert b'"a":NaN,"b":Infinity' in write_json(chunk.data)


# Insertions

EVENTS = [
    Event(b"{}", 0.0, "role"),
    Event(b'{"a":1}', 1.0, "delta"),
    Event(b"{}", 2.0, "finish"),
    Event(b"[DONE]", 2.0, "done"),
]
COMMON = {"id": "c", "object": "o", "created": 1, "model": "m"}


@pytest.mark.parametrize(
    ("insert", "at", "due_s"),
    [
        (Insert(before=EventRef(0), data="x"), 0, 0.0),
        (Insert(after=EventRef(0), data="x"), 1, 0.0),
        (Insert(before=EventRef("finish"), data="x"), 2, 2.0),
        (Insert(after=EventRef(1), data="x"), 2, 1.0),
        (Insert(after=EventRef("done"), data="x"), 4, 2.0),
    ],
)
def test_an_insertion_stands_where_it_says_and_is_due_with_its_neighbour(insert: Insert, at: int, due_s: float) -> None:
    events = list(insert_events(EVENTS, [insert], COMMON, COMPACT))
    assert events[at] == Event(b"x", due_s, "extra")
    assert events[:at] + events[at + 1 :] == EVENTS


def test_insertions_count_the_events_of_the_reply_and_come_in_their_order() -> None:
    inserts = [
        Insert(after=EventRef(0), data="x", times=2),
        Insert(after=EventRef(0), data="y", event="n"),
        Insert(before=EventRef(1), data="z"),
    ]
    events = list(insert_events(EVENTS, inserts, COMMON, COMPACT))
    assert [(event.data, event.name) for event in events[1:5]] == [
        (b"x", None),
        (b"x", None),
        (b"y", "n"),
        (b"z", None),
    ]


def test_an_inserted_chunk_is_given_what_all_chunks_have_unless_it_says_otherwise() -> None:
    insert = Insert(before=EventRef(0), chunk={"id": "", "choices": [], "z": 1})
    first = next(insert_events(EVENTS, [insert], COMMON, JsonStyle(key_order="sorted")))
    assert first.data == b'{"choices":[],"created":1,"id":"","model":"m","object":"o","z":1}'


def test_an_insertion_that_finds_no_place_does_not_come() -> None:
    assert list(insert_events(EVENTS, [Insert(after=EventRef(99), data="x")], COMMON, COMPACT)) == EVENTS


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"data": "x"}, "stands either `before` or `after`"),
        ({"before": 0, "after": 1, "data": "x"}, "stands either `before` or `after`"),
        ({"before": 0}, "has either a `chunk` or `data`"),
        ({"before": 0, "data": "x", "chunk": {}}, "has either a `chunk` or `data`"),
        ({"before": 0, "data": "x", "event": "a\nb"}, "event: expected one line"),
        ({"before": "end", "data": "x"}, "expected the number of an event"),
        ({"before": True, "data": "x"}, "expected the number of an event"),
        ({"before": -1, "data": "x"}, "expected the number of an event"),
        ({"before": 0, "data": "x", "times": 0}, "`int` >= 1"),
    ],
)
def test_an_insertion_that_makes_no_sense_is_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        convert(written, Insert)
    assert message in str(caught.value)


# Raw streams


def test_raw_events_are_texts_or_values_each_due_as_a_token_would_be() -> None:
    raw = convert({"events": ['{"a": 1}', {"data": {"b": [1.5, None]}, "event": "n"}, "[DONE]"]}, Raw)
    assert list(raw_events(raw, [1.0, 2.0, 3.0], JsonStyle(spaces=True))) == [
        Event(b'{"a": 1}', 1.0, "delta"),
        Event(b'{"b": [1.5, null]}', 2.0, "delta", name="n"),
        Event(b"[DONE]", 3.0, "done"),
    ]
    assert raw.body_bytes is None
    assert list(raw_events(Raw(body="x"), [], COMPACT)) == []


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ({"body": "data: é\n\n"}, "data: é\n\n".encode()),
        ({"body": {"repeat": "data: x\n\n", "times": 3}}, b"data: x\n\n" * 3),
        ({"base64": base64.b64encode(b"\xff\xfe").decode()}, b"\xff\xfe"),
        ({"base64": "ZGF0\n  YQ==\n"}, b"data"),
    ],
)
def test_a_raw_body_is_a_text_or_base64(written: dict[str, Any], body: bytes) -> None:
    assert convert(written, Raw).body_bytes == body


@pytest.mark.parametrize(
    "written", [{}, {"body": "x", "base64": ""}, {"events": [], "body": "x"}, {"base64": "%"}, {"base64": "abc"}]
)
def test_a_raw_stream_is_given_in_one_way_that_can_be_read(written: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError):
        convert(written, Raw)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ({"at": 1, "merge": {"a": None}, "set": {"/b": None}}, Edit),
        ({"before": "finish", "data": "x", "times": 2}, Insert),
        ({"data": [1], "event": "n"}, RawEvent),
        ({"events": ["a", {"data": {"b": 1}}], "right": "error"}, Raw),
        ({"html": True, "key_order": ["a"]}, JsonStyle),
        ({"line_end": ["cr", "lf"], "bom": True}, Framing),
        ({"lines": ["a", ""], "at": "after"}, Lines),
        ({"call": "{uuid}"}, Ids),
    ],
)
def test_what_a_file_says_is_written_again_as_it_was_and_nothing_unknown_is_taken(
    written: dict[str, Any], kind: Any
) -> None:
    read = convert(written, kind)
    again = msgspec.json.decode(msgspec.json.encode(read, enc_hook=encode_shorthand))
    assert again == written
    with pytest.raises(ScenarioError, match="unknown field `nothing`"):
        convert({**written, "nothing": 1}, kind)


def test_the_name_of_a_raw_event_is_one_line() -> None:
    with pytest.raises(ValueError, match="event: expected one line"):
        RawEvent("x", event="a\r")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"[DONE]", "done"),
        (b'{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}', "role"),
        (b'{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}', "delta"),
        (b'{"choices":[{"index":0,"delta":{"content":"[DONE]"},"finish_reason":null}]}', "delta"),
        (b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}', "finish"),
        (b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"total_tokens":1}}', "finish"),
        (b'{"choices":[],"usage":{"total_tokens":1}}', "usage"),
        (b'{"choices":null,"usage":{"total_tokens":1}}', "usage"),
        (b'{"choices":[]}', "delta"),
        (b'{"choices":[1]}', "delta"),
        (b'{"choices":[{"delta":null}]}', "delta"),
        (b"[1]", "delta"),
        (b"null", "delta"),
        (b"oops", "delta"),
        (b"\xff", "delta"),
    ],
)
def test_what_an_event_is_for_is_read_from_its_data(data: bytes, kind: str) -> None:
    assert find_kind(data) == kind
