"""The engine's figures, as Prometheus reads them."""

import urllib.request

import pytest
from imitated import Scene
from prometheus_client.parser import text_string_to_metric_families
from real_salt import _free_ports

from tidegate.rollout.metrics import Publisher


@pytest.fixture
def scene(store):
    return Scene(store)


def figures(text):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_file_has_where_a_rollout_stands(scene, tmp_path):
    scene.gates.outcome = lambda context: "fail" if "a2" in context.hosts else "pass"
    scene.begin(min_pops=1)
    driver = scene.engine()
    file = tmp_path / "tidegate.prom"
    publisher = Publisher(driver, {"textfile": str(file)})
    publisher.write()
    assert figures(file.read_text())["tidegate_engine_leads",] == 0
    scene.run(driver, "stopped")
    publisher._due = 0
    publisher.write()
    found = figures(file.read_text())
    number = str(scene.number)
    assert found["tidegate_engine_leads",] == 1
    assert found["tidegate_engine_epoch",] == driver.lease.epoch
    assert found["tidegate_rollout_status", number, "stopped"] == 1
    assert found["tidegate_rollout_status", number, "running"] == 0
    assert found["tidegate_rollout_hosts", number, "canary", "changed"] == 2
    assert found["tidegate_rollout_hosts", number, "all", "waiting"] == 3
    assert found["tidegate_rollout_hosts", number, "all", "unknown"] == 0
    assert found["tidegate_rollout_wave_status", number, "half", "stopped"] == 1
    assert found["tidegate_rollout_verdict", number, "fail", "half", "health"] == 1
    assert found["tidegate_rollout_pops_margin", number, "web"] == 2
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".prom"] == ["tidegate.prom"]


def test_a_port_serves_the_same_and_ended_rollouts_are_counted(scene):
    driver = scene.engine()
    (port,) = _free_ports(1)
    Publisher(driver, {"port": port})
    scene.begin()
    assert scene.run(driver) == "completed"
    driver.step()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        found = figures(answer.read().decode())
    assert found["tidegate_rollouts_finished_total", "completed"] == 1
    assert not [key for key in found if key[0] == "tidegate_rollout_hosts"]


def test_what_cannot_be_published_holds_nothing_up(scene, tmp_path, caplog):
    Publisher(scene.engine(), {"textfile": str(tmp_path / "no" / "such" / "folder.prom")}).write()
    assert "cannot be published" in caplog.text
