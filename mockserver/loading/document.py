"""Text -> document: which notation it is in, whether its characters may stand there, and how JSON is read.

How YAML is read and written is in `yaml_text.py`, what the parts of both mean in `tree.py`.
"""

import json
import re
from functools import cache
from json.decoder import JSONDecodeError

from msgspec import Struct

from mockserver.errors import Problem
from mockserver.loading.tree import MAX_CHARACTERS, MAX_DEPTH, Node, Tree, UnreadableError


class Document(Struct, frozen=True):
    """What a text holds: its tree (None: empty, or not readable to the end) and the mistakes found in reading."""

    root: Node | None
    problems: tuple[Problem, ...] = ()
    file: str | None = None


def read_document(text: str, file: str | None = None) -> Document:
    """Read a text as JSON if the name of `file` ends in `.json`, else as YAML. Mistakes are returned, never raised."""
    is_json = file is not None and file.lower().endswith(".json")
    text = text.removeprefix("\ufeff")
    tree = Tree(file)
    try:
        _check_characters(text, _NOT_IN_JSON if is_json else _not_in_yaml())
        if is_json:
            read_json(text, tree)
        else:
            from mockserver.loading.yaml_text import (
                read_yaml,  # slow to import; a server with no files does not need it
            )

            read_yaml(text, tree)
    except UnreadableError as error:
        return Document(None, (*tree.problems, Problem(str(error), "", file, error.line, error.remedy)), file)
    return Document(tree.root, tuple(tree.problems), file)


_NOT_IN_JSON = re.compile("[\0\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@cache
def _not_in_yaml() -> re.Pattern[str]:
    """YAML 1.2.2, 5.1: "YAML streams use only the printable subset of the Unicode character set." Surrogates are not in it.

    It takes milliseconds to compile; a server with no YAML does not need it.
    """
    return re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _check_characters(text: str, forbidden: re.Pattern[str]) -> None:
    if len(text) > MAX_CHARACTERS:
        raise UnreadableError(f"longer than {MAX_CHARACTERS} characters", 1)
    if found := forbidden.search(text):
        line, code = text.count("\n", 0, found.start()) + 1, ord(found[0])
        if _SURROGATE.match(found[0]):
            raise UnreadableError(f"half a character, the lone surrogate U+{code:04X}", line, "save the file as UTF-8")
        raise UnreadableError(
            f"the character U+{code:04X} may not stand here", line, f'in double quotes write "\\u{code:04x}"'
        )


# Text, bracket or line end; whatever else lies between separators is a number or a word.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]\n]|[^\s,:"{}\[\]]+')
# RFC 8259 6: "Numeric values that cannot be represented in the grammar below (such as Infinity and NaN) are not permitted."
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


def read_json(text: str, tree: Tree) -> None:
    """Read JSON: the library judges the syntax, then the tokens are read once more with their lines."""
    try:
        json.loads(text, parse_constant=len, parse_int=len, parse_float=len)
    except JSONDecodeError as error:
        message = f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(' at')}"
        raise UnreadableError(f"not JSON: {message} at column {error.colno}", error.lineno) from None
    except RecursionError:
        raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels", 1) from None
    line = 1
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token in ("{", "["):
            tree.begin({} if token == "{" else [], line)
        elif token in ("}", "]"):
            tree.end()
        elif token[0] == '"':
            tree.text(_read_text(token, line), line)
        elif token in _NO_NUMBERS:
            raise UnreadableError(f"not JSON: {token} is no number there", line, "quote it if it is a text")
        else:
            tree.plain(token, line)


def _read_text(token: str, line: int) -> str:
    if "\\" not in token:
        return token[1:-1]
    text: str = json.loads(token)
    if found := _SURROGATE.search(text):
        raise UnreadableError(f"half a character, the lone surrogate U+{ord(found[0]):04X}", line)
    return text
