"""Rollouts in Prometheus's format: on a port of the master, in a file for node_exporter, or both.

In the master's configuration::

    tidegate:
      metrics:
        port: 9479                                              # and `address`, 127.0.0.1 unless stated
        textfile: /var/lib/prometheus/node-exporter/tidegate.prom
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tidegate.rollout.driver import Driver
from tidegate.rollout.safety import margins
from tidegate.rollout.state import ACTIVE, Phase, State

log = logging.getLogger(__name__)

WAVE = ("waiting", "running", "judging", "promoted", "stopped", "returning", "back")
OUTCOMES = ("pass", "fail", "inconclusive")

BETWEEN = 15.0
"""Seconds between two writings of the file."""


class Rollouts:
    """A collector: what an engine knows at the moment it is asked.

    A rollout that has ended is in no figure any more; ``tidegate_rollouts_finished_total`` counts those that this
    engine has seen end.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def collect(self) -> Iterator[Metric]:
        """The figures."""
        driver = self._driver
        age = time.monotonic() - driver.stepped_at if driver.stepped_at is not None else float("nan")
        lease = driver.lease
        yield GaugeMetricFamily("tidegate_engine_leads", "Whether this engine holds the lease.", lease is not None)
        yield GaugeMetricFamily("tidegate_engine_epoch", "The epoch of its lease.", lease.epoch if lease else 0)
        yield GaugeMetricFamily("tidegate_engine_last_step_age_seconds", "Since it last went over all rollouts.", age)
        yield _finished(driver.finished)
        yield from _all({str(course.number): course.state for course in list(driver.courses.values())})


class Publisher:
    """Publishes an engine's figures as the master's configuration says."""

    def __init__(self, driver: Driver, settings: Mapping[str, Any]) -> None:
        """Begin. What cannot be published is logged: rollouts go on without."""
        self._registry = CollectorRegistry()
        self._registry.register(Rollouts(driver))
        self._file = settings.get("textfile")
        self._due = 0.0
        if settings.get("port"):
            address = str(settings.get("address", "127.0.0.1"))
            _logged(lambda: start_http_server(int(settings["port"]), address, self._registry))

    def write(self) -> None:
        """Write the file, all of it or nothing, if it is time to; to be called at every step."""
        now = time.monotonic()
        if self._file and now >= self._due:
            self._due = now + BETWEEN
            _logged(lambda: write_to_textfile(str(self._file), self._registry))


def _all(states: Mapping[str, State]) -> Iterator[Metric]:
    rollout = GaugeMetricFamily("tidegate_rollout_status", "1 for the status it has.", labels=["rollout", "status"])
    hosts = GaugeMetricFamily("tidegate_rollout_hosts", "Hosts by phase.", labels=["rollout", "wave", "phase"])
    waves = GaugeMetricFamily(
        "tidegate_rollout_wave_status", "1 for the status it has.", labels=["rollout", "wave", "status"]
    )
    soaked = GaugeMetricFamily(
        "tidegate_rollout_wave_soaked_seconds", "Seconds its gates were seen to pass.", labels=["rollout", "wave"]
    )
    verdicts = GaugeMetricFamily(
        "tidegate_rollout_verdict", "1 for the last one.", labels=["rollout", "wave", "gate", "outcome"]
    )
    jobs = GaugeMetricFamily("tidegate_rollout_jobs", "Jobs under way, by act.", labels=["rollout", "act"])
    margin = GaugeMetricFamily(
        "tidegate_rollout_pops_margin", "PoPs with a host up beyond what it needs.", labels=["rollout", "service"]
    )
    for number, state in states.items():
        for status in ACTIVE:
            rollout.add_metric([number, status], state.status == status)
        for act in ("apply", "confirm", "back"):
            jobs.add_metric([number, act], sum(job.act == act for job in state.jobs.values()))
        for service, (up, least) in margins(state).items():
            margin.add_metric([number, service], up - least)
        for wave in state.brief.waves:
            at, count = state.waves[wave.name], state.count(wave)
            soaked.add_metric([number, wave.name], at.soaked)
            for phase in Phase:
                hosts.add_metric([number, wave.name, phase.value], count.get(phase, 0))
            for status in WAVE:
                waves.add_metric([number, wave.name, status], at.status == status)
            for verdict in at.verdicts:
                for outcome in OUTCOMES:
                    verdicts.add_metric([number, wave.name, verdict.gate, outcome], verdict.outcome == outcome)
    yield from (rollout, hosts, waves, soaked, verdicts, jobs, margin)


def _finished(counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily("tidegate_rollouts_finished", "Rollouts that ended, by how.", labels=["status"])
    for status, count in counts.items():
        family.add_metric([status], count)
    return family


def _logged(call: Callable[[], Any]) -> None:
    try:
        call()
    except (OSError, ValueError, OverflowError) as error:
        log.error("The figures of rollouts cannot be published: %s", error)
