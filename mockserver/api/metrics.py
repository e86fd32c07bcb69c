"""`GET /metrics`: what the server counts of itself, as text that Prometheus reads.

The library that writes it is an extra, because most who use a mock server do not watch it; it is imported when it is first
asked. Nothing of it stands between a request and its answer: the meter's numbers are read when they are asked for.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.types import Scope

from mockserver.api.chat import check_method
from mockserver.api.service import Asked, Service
from mockserver.errors import RequestError
from mockserver.meter import LATENESS_BOUNDS_S, Meter
from mockserver.plan import Plan, plan_body

if TYPE_CHECKING:
    from prometheus_client import Metric


def plan_metrics(service: Service, asked: Asked, scope: Scope) -> Plan:
    """The counts of this server; says what to install where the library is missing (501)."""
    check_method(asked, "GET", "HEAD")
    try:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
    except ImportError:
        raise RequestError("Metrics need the extra: pip install 'openai-mockserver[metrics]'.", status=501) from None
    return plan_body(200, CONTENT_TYPE_LATEST, generate_latest(_Collector(service.meter)), service.terms(asked))


class _Collector:
    """Reads a meter whenever Prometheus asks."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        meter = self._meter
        ended = dict(meter.ended)
        yield GaugeMetricFamily("mockserver_streams_open", "Streams being played.", meter.streams_open)
        answers = CounterMetricFamily("mockserver_answers", "Answers that ended, by how they did.", labels=["ended"])
        departures = CounterMetricFamily(
            "mockserver_departures", "Clients that left before their answer had ended.", labels=["how"]
        )
        for how, count in ended.items():
            answers.add_metric([how], count)
        for how in ("FIN", "RST"):
            departures.add_metric([how], ended.get(f"client left ({how})", 0))
        yield answers
        yield departures
        yield CounterMetricFamily("mockserver_events", "Server-sent events sent, if only in part.", meter.events)
        yield CounterMetricFamily("mockserver_sent_bytes", "Bytes handed to the kernel.", meter.sent_bytes)
        bounds = [*map(str, LATENESS_BOUNDS_S), "+Inf"]
        lateness = HistogramMetricFamily(
            "mockserver_write_lateness_seconds", "How long after it could have left each write was made."
        )
        lateness.add_metric([], [*zip(bounds, map(float, meter.lateness), strict=True)], meter.late_sum_s)
        yield lateness
