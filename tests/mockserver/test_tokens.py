import socket
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mockserver import tokens as tokens_module
from mockserver.errors import UsageError
from mockserver.tokens import Tokenizer, count_prompt_tokens, load_tokenizer, split_text
from tests.mockserver.strategies_local import ask, texts

any_text = texts | st.text(max_size=200)

BYTES = [bytes([byte]) for byte in range(256)]


def write_ranks(folder: Path, tokens: list[bytes], name: str = "o200k_base.tiktoken") -> Path:
    """A rank file as tiktoken keeps them; the order of the tokens is their rank."""
    path = folder / name
    path.write_bytes(b"".join(b"%s %d\n" % (b64encode(token), rank) for rank, token in enumerate(tokens)))
    return path


def load(path: Path) -> Tokenizer:
    return load_tokenizer(f"tiktoken:{path}")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> socket.socket:
        raise AssertionError("a tokenizer reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# The default tokenizer


@given(any_text)
@example("  \r\n \n\n  x")
@example("e\u0301\u200d\ufe0f\x00")
def test_tokens_joined_are_the_text_and_none_is_empty(text: str) -> None:
    tokens = split_text(text)
    assert "".join(tokens) == text
    assert all(tokens)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_is_cut_as_if_there_were_other_scripts_in_it(text: str) -> None:
    assert split_text(text) == tokens_module._piece(tokens_module._DENSE).findall(text)


EXAMPLES = [
    ("", []),
    ("Two.", ["Two", "."]),
    ("Hello, world!", ["Hello", ",", " world", "!"]),
    ("1, 2: Hello world", ["1", ",", " ", "2", ":", " Hello", " world"]),
    ("1234567", ["123", "456", "7"]),
    ("in 2025", ["in", " ", "202", "5"]),
    ("don't we'll 'tis", ["don", "'t", " we", "'ll", " '", "tis"]),
    ("snake_case", ["snake", "_", "case"]),
    ("antidisestablishmentarianism", ["antidisestab", "lishmentaria", "nism"]),
    ('{"city":"Paris"}', ['{"', "city", '":"', "Paris", '"}']),
    ("你好，世界", ["你", "好", "，", "世", "界"]),
    ("한국 かな", ["한", "국", " ", "か", "な"]),
    ("🙂🚀 ok", ["🙂", "🚀", " ok"]),
    ("Straße naïve", ["Straße", " naïve"]),
    ("a\n\nb", ["a", "\n\n", "b"]),
    ("end.\n", ["end", ".\n"]),
    ("a   b", ["a", "  ", " b"]),
    ("a  \n  b", ["a", "  \n", " ", " b"]),
    ("trailing  ", ["trailing", "  "]),
    ("def f():\n    return 1", ["def", " f", "():\n", "   ", " return", " ", "1"]),
]


@pytest.mark.parametrize(("text", "tokens"), EXAMPLES, ids=[text or "empty" for text, _ in EXAMPLES])
def test_text_is_cut_about_where_a_gpt_tokenizer_would(text: str, tokens: list[str]) -> None:
    assert split_text(text) == tokens


def test_counting_to_a_hundred_has_298_tokens() -> None:
    # 100 numbers, 99 commas, 99 blanks: as many as gpt-4o-mini reports for the guide's example.
    assert len(split_text(", ".join(map(str, range(1, 101))))) == 298


@given(st.text("abcdefghij", min_size=1, max_size=12), st.integers(1, 20))
def test_a_word_carries_the_blank_before_it(word: str, times: int) -> None:
    assert split_text(" ".join([word] * times)) == [word] + [f" {word}"] * (times - 1)


@given(st.text("0123456789", max_size=30))
def test_digits_stand_in_groups_of_three_from_the_left(digits: str) -> None:
    tokens = split_text(digits)
    assert all(len(token) == 3 for token in tokens[:-1])
    assert all(1 <= len(token) <= 3 for token in tokens)


@given(st.text("你好世界日本語한국어🙂🚀", max_size=30))
def test_scripts_without_blanks_and_pictures_are_a_token_a_character(text: str) -> None:
    assert split_text(text) == list(text)


@pytest.mark.parametrize("text", [" " * 20_000, "\n" * 20_000, " \n" * 10_000 + "x", "a" * 20_000, "'" * 20_000])
def test_a_long_run_of_anything_is_cut_in_one_pass(text: str) -> None:
    assert "".join(split_text(text)) == text  # a quadratic pattern would take minutes


# The prompt


def test_a_prompt_counts_its_texts_and_three_for_each_message_and_for_the_answer() -> None:
    request = ask(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": " there"}]},
            {"role": "assistant", "content": None, "refusal": "No"},
        ]
    )
    texts_of = ["Be brief.", "Hello\n there", ""]
    assert count_prompt_tokens(request, split_text) == sum(len(split_text(text)) for text in texts_of) + 3 * 3 + 3


def test_pictures_count_nothing() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    bare, shown = (ask(messages=[{"role": "user", "content": [*parts]}]) for parts in ([], [picture]))
    assert count_prompt_tokens(bare, split_text) == count_prompt_tokens(shown, split_text) == 6


@given(texts)
def test_the_tokenizer_in_use_counts_the_prompt(text: str) -> None:
    request = ask(messages=[{"role": "user", "content": text}])
    assert count_prompt_tokens(request, list) == len(text) + 6


# A real tokenizer


def test_the_approximate_tokenizer_is_loaded_by_its_name() -> None:
    assert load_tokenizer("approximate") is split_text


@pytest.mark.parametrize("name", ["", "gpt-4o", "tiktoken", "tiktoken:", "Approximate", "file:o200k_base.tiktoken"])
def test_an_unknown_tokenizer_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"unknown tokenizer '.*': expected 'approximate' or 'tiktoken:PATH/o200k_base"
    ):
        load_tokenizer(name)


MERGES = [b"He", b"ll", b"Hell", b"Hello", b" w", b" wo", b" wor", b" worl", b" world"]


@pytest.mark.parametrize("name", ["o200k_base.tiktoken", "cl100k_base.tiktoken"])
def test_a_rank_file_decides_where_text_is_cut(tmp_path: Path, name: str) -> None:
    split = load(write_ranks(tmp_path, BYTES + MERGES, name))
    assert split("Hello world") == ["Hello", " world"]
    assert split("Hello word 1234") == ["Hello", " wor", "d", " ", "1", "2", "3", "4"]
    assert split("") == []


def test_a_character_of_several_tokens_comes_whole(tmp_path: Path) -> None:
    # The rank file knows single bytes and a token that ends in the middle of a character.
    split = load(write_ranks(tmp_path, [*BYTES, b"a\xe4", b"\x9f\x99"]))
    assert split("é你🙂") == ["é", "你", "🙂"]
    assert split("a你b") == ["a你", "b"]


@given(any_text, st.lists(st.binary(min_size=2, max_size=4), max_size=8, unique=True))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_whatever_the_ranks_the_pieces_are_whole_characters_and_join_to_the_text(
    tmp_path: Path, text: str, merges: list[bytes]
) -> None:
    # A token can be reached only by merging two others, so all its beginnings are tokens before it.
    tokens = dict.fromkeys(BYTES)
    for merge in merges:
        tokens |= dict.fromkeys(merge[:end] for end in range(2, len(merge) + 1))
    split = load(write_ranks(tmp_path, list(tokens)))
    pieces = split(text)
    assert "".join(pieces) == text
    assert all(pieces)


def test_a_changed_rank_file_is_read_anew_and_nothing_is_kept_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    assert load(write_ranks(tmp_path, BYTES))("Hello") == list("Hello")
    assert load(write_ranks(tmp_path, BYTES + MERGES))("Hello") == ["Hello"]
    assert not cache.exists()


def test_a_rank_file_may_lack_its_last_line_end_but_has_no_blank_lines(tmp_path: Path) -> None:
    path = write_ranks(tmp_path, BYTES)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert load(path)("ab") == ["a", "b"]
    path.write_bytes(b"\n" + path.read_bytes())
    with pytest.raises(UsageError, match="line 1: expected a token in base64 and its rank, got b''"):
        load(path)


def lines(tokens: list[bytes]) -> list[bytes]:
    return [b"%s %d" % (b64encode(token), rank) for rank, token in enumerate(tokens)]


WHOLE = lines(BYTES)
CORRUPTED = {
    "empty": ([], "expected a rank for each of the 256 bytes, got none for 256 of them, such as 0x00"),
    "cut short": (WHOLE[:200], "got none for 56 of them, such as 0xc8; the file is not whole"),
    "a line cut": ([*WHOLE[:-1], b"/w"], "line 256: expected a token in base64 and its rank, got b'/w'"),
    "no base64": ([*WHOLE, b"?? 256"], r"line 257: expected a token in base64 and its rank, got b'\?\? 256'"),
    "bad padding": ([*WHOLE, b"YWI 256"], "line 257: expected"),
    "no number": ([*WHOLE, b"YWI= x"], "line 257: expected"),
    "three words": ([*WHOLE, b"YWI= 256 257"], "line 257: expected"),
    "a page instead": ([b"<!doctype html>", b"<p>404"], r"line 1: expected .*, got b'<!doctype html>'"),
    "a rank twice": ([*WHOLE, b"YWI= 255"], "expected each rank once"),
    "a rank below zero": ([*WHOLE, b"YWI= -1"], "expected each rank once, and from 0 to 4294967295"),
    "a rank too high": ([*WHOLE, b"YWI= 4294967296"], "expected each rank once, and from 0 to 4294967295"),
}


@pytest.mark.parametrize(("content", "message"), CORRUPTED.values(), ids=CORRUPTED.keys())
def test_a_corrupted_rank_file_is_refused_with_its_name_and_what_is_wrong(
    tmp_path: Path, content: list[bytes], message: str
) -> None:
    path = tmp_path / "o200k_base.tiktoken"
    path.write_bytes(b"\n".join(content))
    with pytest.raises(UsageError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_rank_file_needs_the_name_of_a_vocabulary(tmp_path: Path) -> None:
    for name in ("mine.tiktoken", "o200k_base.json", "o200k_base"):
        path = write_ranks(tmp_path, BYTES, name)
        with pytest.raises(UsageError, match=f"among cl100k_base.tiktoken, o200k_base.tiktoken, got '{name}'"):
            load(path)


def test_a_missing_rank_file_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file \(tiktoken's rank files are never fetched, only read\)"):
        load(tmp_path / "o200k_base.tiktoken")
    with pytest.raises(UsageError, match="no such file"):
        load_tokenizer("tiktoken:https://example.com/o200k_base.tiktoken")
    (tmp_path / "cl100k_base.tiktoken").mkdir()
    with pytest.raises(UsageError, match="no such file"):
        load(tmp_path / "cl100k_base.tiktoken")


def test_an_unreadable_rank_file_is_refused_with_the_systems_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    path = write_ranks(tmp_path, BYTES)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UsageError, match=r"o200k_base\.tiktoken: Permission denied"):
        load(path)


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_ranks(tmp_path, BYTES)
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(UsageError, match=r"pip install 'openai-mockserver\[tiktoken\]'"):
        load(path)
