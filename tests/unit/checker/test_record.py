"""What is kept, what is made of a file that is damaged, and what is withheld because of it."""

from __future__ import annotations

import json

import pytest

from tidegate.checker import elsewhere, loss, metrics, record, report, rules
from tidegate.checker.machine import Pulse, Standing
from tidegate.checker.metrics import Tally
from tidegate.checker.record import Known
from tidegate.checker.withheld import withheld
from tidegate.host.errors import Refused

CHECK = {
    "name": "http",
    "kind": "http",
    "target": "http://127.0.0.1/",
    "interval": 1.0,
    "timeout": 1.0,
    "rise": 2,
    "fall": 2,
}
WEB = {"checks": [CHECK], "hold": 5.0, "on_all_down": "withdraw", "on_checker_loss": "keep"}
ROUTES = {"192.0.2.0/24": "web", "2001:db8::/48": "web", "203.0.113.0/24": "dns"}


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEGATE_STATE", str(tmp_path))
    monkeypatch.setenv("TIDEGATE_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(record, "boot_id", lambda: "this boot")
    return tmp_path


def generation(folder, document):
    (folder / "health.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return folder


def found(live=()):
    return set(withheld(rules._rules({"services": {"web": WEB}}), ROUTES, set(live)))


class TestRules:
    def test_they_come_back_as_they_were_rendered(self, host):
        (check,) = rules.read(generation(host, {"services": {"web": WEB}}))["web"].checks
        assert (check.name, check.kind, check.rise, check.interval) == ("http", "http", 2, 1.0)

    def test_no_file_is_no_checks(self, host):
        assert rules.read(host) == {}

    @pytest.mark.parametrize(
        "damage",
        ["", "{", "[]", '{"services": []}', '{"services": {"web": {}}}', '{"services": {"web": {"checks": [{}]}}}'],
    )
    def test_a_damaged_file_is_refused(self, host, damage):
        with pytest.raises(Refused, match="damaged"):
            rules.read(generation(host, damage))


class TestRecord:
    def test_it_comes_back(self):
        known = {"web": Known(Standing("held", 3.5, True), False, {"http": Pulse(True, 1)}, "http: status 503")}
        record.write(known)
        assert record.read() == record.Record("this boot", known)
        assert record.read().is_of_this_boot

    @pytest.mark.parametrize(
        "damage", ["", "{", "[]", "null", '{"boot": "x"}', '{"boot": "x", "services": {"web": 1}}']
    )
    def test_a_damaged_file_is_as_good_as_none(self, host, damage):
        (host / "services.json").write_text(damage)
        assert record.read() == record.Record()


class TestWithheld:
    def test_a_service_without_checks_never_is(self):
        assert "dns" not in found()

    def test_what_is_not_known_is_unless_it_is_announced_already(self):
        assert found() == {"web"}
        assert found(["192.0.2.0/24"]) == set()
        assert found(["203.0.113.0/24"]) == {"web"}

    @pytest.mark.parametrize(("announced", "expected"), [(True, set()), (False, {"web"})])
    def test_what_is_known_is_as_the_checker_decided_whatever_the_kernel_has(self, announced, expected):
        record.write({"web": Known(Standing("down", 1.0), announced)})
        assert found() == expected
        assert found(["192.0.2.0/24"]) == expected

    def test_what_was_known_before_the_host_restarted_has_to_be_proven(self, monkeypatch):
        record.write({"web": Known(Standing("up", 1.0), True)})
        monkeypatch.setattr(record, "boot_id", lambda: "another boot")
        assert found() == {"web"}


class TestLoss:
    """``on_checker_loss`` decided without a kernel; ``tests/kernel/bird`` has it with one."""

    def test_keep_leaves_what_was_decided(self):
        for one in (Known(Standing("up", 1.0), True), Known(Standing("down", 1.0), False)):
            assert loss._after("keep", one, 9.0) == one

    def test_keep_announces_what_was_up_before_the_host_restarted(self):
        after = loss._after("keep", Known(Standing("unproven", 1.0, was_up=True), False), 9.0)
        assert (after.standing, after.announced) == (Standing("up", 9.0), True)

    def test_keep_never_announces_what_nobody_has_seen(self):
        assert not loss._after("keep", Known(Standing("unproven", 1.0), False), 9.0).announced

    def test_withdraw_asks_for_proof_and_forgets_no_sickness(self):
        up = loss._after("withdraw", Known(Standing("up", 1.0), True, {"http": Pulse(True)}), 9.0)
        assert (up.standing, up.announced, up.pulses) == (Standing("unproven", 9.0, was_up=True), False, {})
        down = loss._after("withdraw", Known(Standing("down", 1.0), False, {"http": Pulse(False)}), 9.0)
        assert (down.standing, down.pulses) == (Standing("down", 1.0), {"http": Pulse(False)})


class TestElsewhere:
    def test_what_is_told_holds_for_a_while(self, monkeypatch):
        now = 100.0
        monkeypatch.setattr(elsewhere.time, "monotonic", lambda: now)
        elsewhere.tell("web", 3, 60)
        elsewhere.tell("dns", 0, 10)
        assert elsewhere.told(105.0) == {"web": 3, "dns": 0}
        assert elsewhere.told(111.0) == {"web": 3}
        assert elsewhere.told(161.0) == {}

    @pytest.mark.parametrize(("up", "seconds"), [(-1, 60), ("3", 60), (True, 60), (1, 0), (1, 3601), (1, "60")])
    def test_nonsense_is_refused(self, up, seconds):
        with pytest.raises(Refused):
            elsewhere.tell("web", up, seconds)

    def test_a_damaged_file_says_nothing(self, host):
        (host / "run").mkdir()
        (host / "run" / "elsewhere.json").write_text("{")
        assert elsewhere.told(0.0) == {}


def test_a_host_without_a_generation_has_nothing_to_report():
    assert report.services() == {}


def test_metrics_are_in_the_text_format():
    services = {'we"b\\': Known(Standing("down", 1.0), False, {"http": Pulse(False), "tcp": Pulse()}, "why")}
    text = metrics.text(services, {('we"b\\', "http"): Tally(1, 2, 0.25)}, {})
    lines = text.splitlines()
    assert r'tidegate_service_announced{service="we\"b\\"} 0' in lines
    assert r'tidegate_check_looks_total{service="we\"b\\",check="http",result="bad"} 2' in lines
    assert not any("tidegate_check_well" in line and "tcp" in line for line in lines)
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert text.endswith("\n")
