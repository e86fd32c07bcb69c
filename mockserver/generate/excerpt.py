"""The beginning of a text, to be quoted: on one line, cut where nothing is torn apart."""

import unicodedata

MOST_WORDS = 12
MOST_CHARS = 80
_READ_CHARS = 2000


def excerpt(text: str) -> str:
    """Up to 12 words or 80 characters, with an ellipsis if there is more.

    The cut is between words, or between characters where there are no words, but not before a mark or a joiner, which belong
    to the character before them. Control characters are left out, white space of any kind becomes one blank.
    """
    words = one_line(text).split(" ")
    quoted = " ".join(words[:MOST_WORDS])
    if len(quoted) > MOST_CHARS:
        end = quoted.rfind(" ", 0, MOST_CHARS)
        end = end if end >= MOST_CHARS // 2 else MOST_CHARS
        while end and (_clings(quoted[end]) or quoted[end - 1] == "\u200d"):
            end -= 1
        quoted = quoted[:end].rstrip()
    return quoted if len(quoted) == len(" ".join(words)) else f"{quoted} …"


def one_line(text: str) -> str:
    """The first 2,000 characters of the text with single blanks for white space, and without control characters."""
    kept = (char for char in text[:_READ_CHARS] if char.isspace() or unicodedata.category(char) != "Cc")
    return " ".join("".join(kept).split())


def _clings(char: str) -> bool:
    """Whether a character has no meaning without the one before it: accents, joiners, skin tones."""
    return unicodedata.category(char) in ("Mn", "Mc", "Me", "Cf", "Sk")
