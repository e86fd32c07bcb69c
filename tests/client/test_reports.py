from typing import Any

import pytest

from client.reports import describe_report, find_report, is_plain_text, looks_like_field, read_json

ERROR = {"message": "boom", "type": "server_error", "code": 500}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"error": ERROR}, ERROR),
        ({"error": "boom"}, {"message": "boom"}),
        ({"error": True}, {"message": "true"}),
        ({"error": ["a"]}, {"message": '["a"]'}),
        ({"error": {}}, {}),
        ({"error": ""}, {"message": ""}),
        ({"error": ERROR, "choices": [{"delta": {"content": "x"}, "finish_reason": "error"}]}, ERROR),
        ({"choices": [{"delta": {}, "error": ERROR}]}, ERROR),
        ({"choices": [{"delta": {}}, {"error": "boom"}]}, {"message": "boom"}),
        ({"object": "error", "message": "boom"}, {"object": "error", "message": "boom"}),
        ({"type": "error", "detail": "boom"}, {"type": "error", "detail": "boom"}),
        ({"error_message": "boom", "error_type": "x"}, {"error_message": "boom", "error_type": "x"}),
        ({"error_type": "x"}, {"error_type": "x"}),
        ({"message": "boom", "code": 500}, {"message": "boom", "code": 500}),
        ({"detail": "boom", "status": 500}, {"detail": "boom", "status": 500}),
        ({"detail": "boom"}, {"detail": "boom"}),
        ([{"error": ERROR}], ERROR),
        ([{"error": {}}], {}),
        ([5, {"type": "ping"}, {"detail": "boom"}, {"error": ERROR}], {"detail": "boom"}),
    ],
)
def test_every_known_shape_of_an_error_is_found(value: object, error: dict[str, Any]) -> None:
    assert find_report(value) == error


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"error": None},
        {"error": None, "choices": []},
        {"error": "", "choices": [{"delta": {}}]},
        {"error": {}, "usage": {}},
        {"choices": [{"delta": {"content": '"error"'}}, None, {"error": None}]},
        {"choices": [], "message": "x", "code": 1},
        {"type": "ping"},
        {"message": "still here"},
        {"code": 200, "message": None},
        {"object": "chat.completion.chunk"},
        {"detail": None},
        {"detail": {"step": 1}},
        {"choices": [], "detail": "x"},
        [],
        [{"type": "ping"}, [{"error": ERROR}], "error"],
        "error",
        None,
    ],
)
def test_what_tells_no_error_is_left_alone(value: object) -> None:
    assert find_report(value) is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ERROR, "boom (server_error, 500)"),
        ({"message": "boom"}, "boom"),
        ({"detail": "boom", "code": ""}, "boom"),
        ({"error_message": "boom", "error_type": "t"}, "boom (t)"),
        ({"message": {"text": "x"}}, "\"{'message': {'text': 'x'}}\""),
        ({}, "'{}'"),
    ],
)
def test_an_error_is_described_by_its_message_and_kind(error: dict[str, Any], message: str) -> None:
    report = describe_report(error, "here")
    assert str(report) == f"expected a chunk, got an error told by the server here: {message}"
    assert report.error == error


@pytest.mark.parametrize(
    ("text", "value"), [('{"a":1}', {"a": 1}), (b"[1]", [1]), ("x", None), (b"\xff", None), ("[" * 100_000, None)]
)
def test_json_is_read_or_not(text: str | bytes, value: object) -> None:
    assert read_json(text) == value


def test_words_and_pages_are_plain_text() -> None:
    assert [is_plain_text(data) for data in ("Number of", "<html>", "{", "[DONE]x", ": ping", "", "5x")] == [
        True,
        True,
        *[False] * 5,
    ]


@pytest.mark.parametrize(
    ("line", "is_field"),
    [
        ("foo: bar", True),
        ("foo", True),
        ("x-y.z_1:", True),
        ("id: 7\0", True),
        ('{"error"', False),
        ("Bad Gateway", False),
        ("<p>", False),
        ("", False),
        ("}", False),
    ],
)
def test_an_unknown_field_is_told_from_text_nobody_framed(line: str, is_field: bool) -> None:
    assert looks_like_field(line) is is_field
