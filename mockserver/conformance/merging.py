"""Some cases played anew, put into the stored results of all: what changed is known without playing everything again."""

from collections.abc import Sequence
from typing import Any

from mockserver.conformance.report.data import score_results
from mockserver.errors import UsageError

Report = dict[str, Any]


def merge_reports(stored: Report, anew: Report, ids: Sequence[str]) -> Report:
    """A report of all cases: those of `anew` in place of the stored ones, in the order of `ids`, which are all that there are.

    A case that is no longer there is dropped. Raises `UsageError` where the two are not of the same consumer and version, or a
    case is in neither.
    """
    was, is_ = (f"{report['consumer']['name']} {report['consumer']['version']}" for report in (stored, anew))
    if was != is_:
        raise UsageError(
            f"the stored results are of {was}, this is {is_}: expected the same; play all cases, without --run"
        )
    by_id = {result["id"]: result for report in (stored, anew) for result in report["results"]}
    missing = [case for case in ids if case not in by_id]
    if missing:
        raise UsageError(f"{was} was never asked {', '.join(missing[:5])}: play these as well, with --run")
    results = [by_id[case] for case in ids]
    return {**stored, "made_at": anew["made_at"], "score": score_results(results), "results": results}
