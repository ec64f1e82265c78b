"""The host runs one confirmed generation, whole, and nothing is under way."""

from __future__ import annotations

import hashlib
import json

STATE = "/var/lib/tidegate"


def test_running_is_what_was_confirmed(host, generation):
    assert host.run(f"readlink -f {STATE}/running").stdout.strip() == generation


def test_no_change_is_under_way(host):
    assert not host.file(f"{STATE}/transaction.json").exists
    assert host.run("systemctl is-active tidegate-deadman.timer").stdout.strip() == "inactive"


def test_the_plan_is_undamaged(plan):
    body = {key: value for key, value in plan.items() if key != "digest"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == plan["digest"]


def test_the_plan_is_what_the_policy_says(plan, policy_plan):
    assert plan["digest"] == policy_plan(plan["host"]).digest


def test_every_check_is_ok(checks):
    assert checks, "no check was made: unknown is never ok"
    assert [check for check in checks.values() if check["status"] != "ok"] == []


def test_secrets_are_for_root_and_bird_alone(host, generation):
    key = host.file(f"{STATE}/key")
    assert (key.user, key.mode) == ("root", 0o600)
    for path in (f"{generation}/bird.conf", "/etc/bird/bird.conf"):
        file = host.file(path)
        if file.exists:
            assert (file.user, file.group, file.mode) == ("root", "bird", 0o640), path


def test_a_boot_restores_it(host):
    assert host.service("tidegate-restore").is_enabled
    assert host.file(f"{STATE}/restore").exists, "the boot unit has no runtime to run"
