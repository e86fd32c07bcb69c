"""YAML text <-> values: how scenario files are read and written.

Of PyYAML only the scanner and the parser read: its composer recurses and follows aliases without bound, and its resolver is
YAML 1.1's, to which `no` is a boolean and `1:30` is ninety. What is written here, a YAML 1.1 reader reads alike.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from mockserver.loading.tree import NUMBER, Tree, UnreadableError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, tree: Tree) -> None:
    """Read one YAML document into `tree`."""
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if on_event := _ON_EVENT.get(type(event)):
                on_event(tree, event)
    except yaml.MarkedYAMLError as error:
        raise _explain(error, text) from None


# What the scanners and parsers of libyaml and PyYAML say, and what has usually happened.
_REMEDIES = (
    ("mapping values are not allowed", "quote a text that contains a colon and a blank"),
    ("expected ',' or", "look for an open bracket, and for texts to quote, on the lines before"),
    ("unexpected end of stream", "look for an open quote on the lines before"),
    ("unknown escape character", "write \\\\ for a backslash, or use single quotes"),
    ("expected", "look at the indentation and the quotes of this line and those before"),
    ("sequence entries are not allowed", "begin a list on a line of its own"),
)


def _explain(error: yaml.MarkedYAMLError, text: str) -> UnreadableError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    said = str(error.problem or error.context)
    if "cannot start any token" in said and mark:
        character = text[mark.index : mark.index + 1]
        remedy = "indent with blanks" if character == "\t" else "quote the text"
        return UnreadableError(f"not YAML: nothing can begin with the character {character!r}", line, remedy)
    return UnreadableError(f"not YAML: {said}", line, next((r for words, r in _REMEDIES if words in said), None))


def _on_document(tree: Tree, event: Any) -> None:
    if tree.root is not None:
        line = event.start_mark.line + 1
        raise UnreadableError("a second document begins", line, "leave out the line ---; list all under scenarios:")


def _on_scalar(tree: Tree, event: Any) -> None:
    line = event.start_mark.line + 1
    if event.tag is None and event.implicit[0]:
        tree.plain(event.value, line, event.anchor)
        return
    _check_tag(tree, event, "tag:yaml.org,2002:str", line)
    if event.style == '"' and re.search("[\ud800-\udfff]", event.value):  # libyaml itself refuses such escapes
        raise UnreadableError("not YAML: half a character, an escaped lone surrogate", line)
    tree.text(event.value, line, event.anchor)


def _on_sequence(tree: Tree, event: Any) -> None:
    _check_tag(tree, event, "tag:yaml.org,2002:seq", event.start_mark.line + 1)
    tree.begin([], event.start_mark.line + 1, event.anchor)


def _on_mapping(tree: Tree, event: Any) -> None:
    _check_tag(tree, event, "tag:yaml.org,2002:map", event.start_mark.line + 1)
    tree.begin({}, event.start_mark.line + 1, event.anchor)


def _check_tag(tree: Tree, event: Any, allowed: str, line: int) -> None:
    if event.tag not in (None, "!", allowed):
        name = event.tag.replace("tag:yaml.org,2002:", "!!")
        tree.report(f"the tag {name} has no meaning here", line, "leave it out, or quote the text that begins with it")


_ON_EVENT: Mapping[type, Callable[[Tree, Any], None]] = {
    yaml.DocumentStartEvent: _on_document,
    yaml.ScalarEvent: _on_scalar,
    yaml.AliasEvent: lambda tree, event: tree.alias(event.anchor, event.start_mark.line + 1),
    yaml.SequenceStartEvent: _on_sequence,
    yaml.MappingStartEvent: _on_mapping,
    yaml.SequenceEndEvent: lambda tree, _: tree.end(),
    yaml.MappingEndEvent: lambda tree, _: tree.end(),
}


def write_yaml(value: Any) -> str:
    """Write plain values as YAML: mappings in block style, lists of short values on one line, texts never folded."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


_LONGEST_ITEM = 60
# What JSON leaves as it is, but YAML takes for a line break, a byte order mark or unprintable.
_TO_ESCAPE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class _Dumper(yaml.SafeDumper):
    """PyYAML's, with lists indented, no folded texts, no aliases, and quotes around all that either YAML takes for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def write_plain(self, text: str, split: bool = True) -> None:
        super().write_plain(text, split=False)

    def write_single_quoted(self, text: str, split: bool = True) -> None:
        super().write_single_quoted(text, split=False)

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        quoted = json.dumps(text, ensure_ascii=False)
        self.write_indicator(_TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted), True)


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if _TO_ESCAPE.search(text) or (text.isspace() and "\n" in text):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: _Dumper, items: Any) -> yaml.SequenceNode:
    short = all(not isinstance(item, dict | list | tuple) and len(str(item)) <= _LONGEST_ITEM for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"{NUMBER.pattern}$"), list("-+.0123456789"))
