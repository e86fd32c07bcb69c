"""The report as JUnit XML, which CI systems show: a test case for each case, a suite for each class."""

from xml.etree import ElementTree as ET

from mockserver.conformance.report.data import Report

_TAGS = {
    "fail": "failure",
    "weak": "failure",
    "crash": "error",
    "hang": "error",
    "harness error": "error",
    "skip": "skipped",
}


def write_junit(report: Report, strict: bool = False) -> str:
    """The XML of a report. `weak` is a failure only with `strict`."""
    consumer = report["consumer"]
    root = ET.Element(
        "testsuites", name=f"{consumer['name']} {consumer['version']}".strip(), time=str(report["took_s"])
    )
    suites: dict[str, ET.Element] = {}
    for result in report["results"]:
        cls = result["class"]
        if cls not in suites:
            suites[cls] = ET.SubElement(root, "testsuite", name=cls, timestamp=report["made_at"])
        seconds = f"{result.get('took_ms', 0) / 1000:.3f}"
        case = ET.SubElement(
            suites[cls], "testcase", classname=f"{consumer['name']}.{cls}", name=result["id"], time=seconds
        )
        tag = _TAGS.get(result["verdict"])
        if tag is None or (result["verdict"] == "weak" and not strict):
            continue
        told = ET.SubElement(case, tag, message=_clean("; ".join(result["reasons"])) or result["verdict"])
        if tag != "skipped":
            told.text = _clean(f"{result['keyword']}: {result['requirement']} [{result['source']}]")
    for suite in suites.values():
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(name, str(len(list(suite.iter(tag)))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """The text without the characters that XML 1.0 cannot carry."""
    return "".join(c if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") else "\ufffd"
                   for c in text)  # fmt: skip
