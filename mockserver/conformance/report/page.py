"""The report as one self-contained page of HTML: a matrix of cases and consumers, each cell with all its evidence.

The page needs no network and no server: it works from disk, in light and in dark.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mockserver.conformance.report.data import Report

_TEMPLATE = Path(__file__).parent / "page.html"
_PLACE = "/*REPORTS*/[]"


def write_page(reports: Sequence[Report], title: str = "Conformance of streaming consumers") -> str:
    """The HTML of one or several reports, next to each other."""
    data = json.dumps(list(reports), ensure_ascii=False, separators=(",", ":"))
    # Inside a script nothing may look like its end or like the beginning of a comment.
    safe = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    template = _TEMPLATE.read_text(encoding="utf-8")
    return template.replace(_PLACE, safe).replace("<!--TITLE-->", title.replace("&", "&amp;").replace("<", "&lt;"))
