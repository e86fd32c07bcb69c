"""Text <-> tokens: where text is cut, and so how much of it is counted.

Everything that counts tokens asks here, so that `usage.completion_tokens` equals the number of tokens sent. The default
tokenizer cuts roughly where a GPT tokenizer would; a real one (tiktoken with a local rank file) may take its place.
No tokenizer ever cuts inside a code point, because a delta is a JSON string.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mockserver.errors import UsageError
from mockserver.request import ChatRequest, message_texts

Tokenizer = Callable[[str], Sequence[str]]
"""Cuts a text into tokens; joined again they are the text, none is empty."""

# Scripts written without spaces: one token a character, as GPT tokenizers come close to.
_DENSE = "\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U0001f000-\U0010ffff"


def split_text(text: str) -> list[str]:
    """Cut `text` about where a GPT tokenizer would: words with their leading space, digits in groups, punctuation.

    >>> split_text("1, 2: Hello world")
    ['1', ',', ' ', '2', ':', ' Hello', ' world']
    """
    return _piece("" if text.isascii() else _DENSE).findall(text)


@cache
def _piece(dense: str) -> re.Pattern[str]:
    """The pattern of one token. Where the text has no `dense` scripts it does without: theirs takes milliseconds to compile."""
    return re.compile(
        (rf"[{dense}]|" if dense else "") + r"'(?:s|t|re|ve|m|ll|d)\b"
        rf"| ?[^\W\d_{dense}]{{1,12}}"  # a word with its leading space; a very long one falls in several
        r"|\d{1,3}"  # digits in groups of up to three, the space before them apart
        rf"| ?(?:[^\w\s{dense}]|_){{1,4}}[\r\n]*"
        r"|\s*[\r\n]+"
        r"|\s+(?!\S)"  # leaves the last blank to the word that follows
        r"|\s"
        r"|.",  # whatever is left, marks and the like: no character is ever lost
        re.DOTALL,
    )


def count_prompt_tokens(request: ChatRequest, tokenizer: Tokenizer) -> int:
    """The tokens of a prompt: its texts, three for each message and three for the answer's beginning.

    The overhead is the one OpenAI's cookbook gives ("How to count tokens with tiktoken"); pictures and sound count nothing.
    """
    texts: Iterable[str] = message_texts(request)
    return sum(len(tokenizer(text)) for text in texts) + 3 * len(request.messages) + 3


# The pre-tokenizers of OpenAI's two current vocabularies, as tiktoken publishes them (tiktoken_ext/openai_public.py).
_PATTERNS = {
    "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k_base": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer called `name`: `approximate`, or `tiktoken:PATH` for a rank file on this machine.

    The file is one that tiktoken itself keeps, such as `o200k_base.tiktoken`; its name says which pre-tokenizer goes with
    it. Nothing is ever fetched. Raises `UsageError`, naming the remedy, where the file or the library is missing.
    """
    if name == "approximate":
        return split_text
    kind, _, path = name.partition(":")
    if kind != "tiktoken" or not path:
        raise UsageError(f"unknown tokenizer {name!r}: expected 'approximate' or 'tiktoken:PATH/o200k_base.tiktoken'")
    return _split_with(_load_encoding(Path(path)))


def _load_encoding(path: Path) -> Any:
    names = [f"{name}.tiktoken" for name in _PATTERNS]
    if path.name not in names:
        raise UsageError(f"tokenizer file {path}: expected a name among {', '.join(names)}, got {path.name!r}")
    if not path.is_file():
        raise UsageError(f"tokenizer file {path}: no such file (tiktoken's rank files are never fetched, only read)")
    try:
        import tiktoken
    except ImportError as error:
        raise UsageError("a tiktoken tokenizer needs the extra: pip install 'openai-mockserver[tiktoken]'") from error
    return tiktoken.Encoding(
        path.stem, pat_str=_PATTERNS[path.stem], mergeable_ranks=_read_ranks(path), special_tokens={}
    )


def _read_ranks(path: Path) -> dict[bytes, int]:
    """The ranks in a file of tiktoken's form: a line for each token, its bytes in base64 and its rank.

    tiktoken's own loader copies each file into a cache, found by its path, and reads the copy ever after, whatever the file
    says by then; and its encoder ends the process's thread by a panic where the ranks are not whole. Hence read and checked
    here.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"tokenizer file {path}: {error.strerror or error}") from error
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(lines, 1):
        try:
            token, rank = line.split()
            ranks[b64decode(token, validate=True)] = int(rank)
        except ValueError as error:
            raise UsageError(
                f"tokenizer file {path}, line {number}: expected a token in base64 and its rank, got {line[:40]!r}"
            ) from error
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise UsageError(
            f"tokenizer file {path}: expected a rank for each of the 256 bytes, got none for {len(missing)} of them, such "
            f"as {missing[0]:#04x}; the file is not whole"
        )
    if len(set(ranks.values())) != len(ranks) or not 0 <= min(ranks.values()) <= max(ranks.values()) < 2**32:
        raise UsageError(f"tokenizer file {path}: expected each rank once, and from 0 to {2**32 - 1}")
    return ranks


def _split_with(encoding: Any) -> Tokenizer:
    def split(text: str) -> list[str]:
        # A byte-level token may end inside a character: such tokens are joined until the character is whole.
        pieces: list[str] = []
        pending = b""
        for token in encoding.encode_ordinary(text):
            pending += encoding.decode_single_token_bytes(token)
            try:
                pieces.append(pending.decode())
            except UnicodeDecodeError:
                continue
            pending = b""
        return pieces

    return split
