"""The engine over an imitated fleet and a real store: what it does, and that no fault makes it do it wrongly."""

import threading
import time
from datetime import timedelta

import pytest
import small_disk
from imitated import Scene
from play import WAVES

from tidegate.release.assignments import Assignments
from tidegate.release.errors import StoreError
from tidegate.release.location import parse
from tidegate.release.operations import Operations
from tidegate.release.store import Store
from tidegate.rollout.brief import Budget, Pace
from tidegate.rollout.driver import LEASE
from tidegate.rollout.lease import Leases
from tidegate.rollout.state import MOVING

HOSTS = [host for hosts in WAVES.values() for host in hosts]


@pytest.fixture
def scene(store):
    return Scene(store)


def test_a_release_reaches_every_host_wave_by_wave(scene):
    scene.begin()
    driver = scene.engine()
    assert scene.run(driver) == "completed"
    scene.everybody_has(scene.new)
    for host in HOSTS:
        assert scene.world.hosts[host].changes == [scene.new_plans[host]]
        assert [act for act, _ in scene.world.hosts[host].ran] == ["apply", "confirm"]
    kinds = scene.kinds()
    assert [kind for kind in kinds if kind in ("checked", "wave", "promoted", "finished")] == [
        "checked", "wave", "promoted", "wave", "promoted", "wave", "promoted", "finished",
    ]  # fmt: skip
    assert [kind for _, kind in scene.told] == kinds
    driver.step()
    assert not driver.courses


def test_nothing_is_published_before_it_is_in_the_journal(scene):
    scene.begin()
    publish = scene.world.publish

    def checked(jid, *rest):
        events = scene.journal.events(scene.number)
        assert any(event.kind == "job" and event.body["jid"] == jid for event in events)
        publish(jid, *rest)

    scene.world.publish = checked
    assert scene.run(scene.engine()) == "completed"


def test_hosts_get_what_the_job_says(scene):
    scene.begin(pace=Pace(timeout=123))
    driver = scene.engine()
    scene.run(driver)
    epoch = Leases(scene.store).current().epoch
    _, function, hosts, kwargs = scene.world.publications[0]
    settings = {"owner": str(scene.number), "fence": epoch, "confirm": "engine", "again": False, "timeout": 123}
    assert (function, hosts) == ("state.apply", ("a1", "b1"))
    assert kwargs == {"mods": "traffic", "sync_mods": "all", "pillar": {"tidegate": settings}}
    _, function, hosts, kwargs = scene.world.publications[1]
    assert (function, hosts) == ("traffic.confirm", ("a1", "b1"))
    assert kwargs == {"owner": str(scene.number), "fence": epoch, "wait": 10, "settle": 10}


def test_a_host_that_is_down_blocks_the_start_or_is_unknown_within_the_budget(scene):
    scene.world.hosts["a2"].down = True
    scene.begin()
    assert scene.run(scene.engine(), "blocked") == "blocked"
    scene.ask("aborted")
    assert scene.run(scene.engine()) == "aborted"
    scene.begin(budget=Budget(unknown=1))
    driver = scene.engine()
    assert scene.run(driver) == "completed"
    assert "lost" in scene.kinds()
    assert Assignments(scene.store).release_of("a2") == scene.old
    assert scene.world.hosts["c1"].confirmed == scene.new_plans["c1"]


@pytest.mark.parametrize("act", ["apply", "confirm"])
def test_a_host_that_goes_down_in_the_middle_is_unknown_and_undoes_it(scene, act):
    scene.begin()
    host = scene.world.hosts["b1"]
    if act == "apply":
        scene.world.publish, publish = lambda *told: (publish(*told), setattr(host, "down", True)), scene.world.publish
    else:
        host.mute = {"confirm"}
        host.duration = 1.0
    driver = scene.engine()
    assert scene.run(driver, "stopped") == "stopped"
    assert scene.phases(driver)["b1"] == "unknown"
    assert "did not answer" in driver.courses[scene.number].state.reason
    assert not scene.world.hosts["c1"].changes


def test_a_return_that_is_late_is_not_waited_for_forever(scene):
    scene.world.hosts["a1"].duration = 1000.0
    scene.begin()
    driver = scene.engine()
    begin = scene.clock.seconds
    assert scene.run(driver, "stopped") == "stopped"
    # It says that it is still at it: longer than that no change may take.
    assert 240 <= scene.clock.seconds - begin < 400
    assert scene.phases(driver)["a1"] == "unknown"


def test_a_slow_host_that_says_so_is_waited_for(scene):
    scene.world.hosts["a1"].duration = 200.0
    scene.begin()
    assert scene.run(scene.engine()) == "completed"
    scene.everybody_has(scene.new)


def test_a_host_that_missed_the_job_gets_it_again(scene):
    scene.world.hosts["a2"].deaf = 1
    scene.begin()
    assert scene.run(scene.engine()) == "completed"
    again = [told for told in scene.world.publications if told[2] == ("a2",) and told[1] == "state.apply"]
    assert len(again) == 1
    scene.everybody_has(scene.new)
    assert scene.world.hosts["a2"].changes == [scene.new_plans["a2"]]


def test_a_host_whose_return_is_lost_is_unknown(scene):
    scene.world.hosts["a1"].mute = {"apply"}
    scene.begin()
    driver = scene.engine()
    assert scene.run(driver, "stopped") == "stopped"
    assert scene.phases(driver)["a1"] == "unknown"
    assert len(scene.world.hosts["a1"].changes) == 1


def test_a_host_that_lies_about_its_plan_is_not_believed(scene):
    scene.world.hosts["b1"].lies = "f" * 64
    scene.begin()
    driver = scene.engine()
    assert scene.run(driver, "stopped") == "stopped"
    assert scene.phases(driver)["b1"] == "failed"
    assert "ffffffffffff" in driver.courses[scene.number].state.hosts["b1"].reason


def test_a_host_that_fails_or_undoes_it_stops_the_rollout(scene):
    scene.world.hosts["b1"].breaks = {"apply": "undone"}
    scene.begin()
    driver = scene.engine()
    assert scene.run(driver, "stopped") == "stopped"
    assert scene.phases(driver)["b1"] == "reverted"
    # The other one, which nobody confirmed, is taken back; then somebody has mended this one, and says so.
    while scene.phases(driver)["a1"] != "back":
        if not driver.step():
            scene.world.wait(1.0)
    scene.world.hosts["b1"].breaks = {}
    scene.ask("retried", hosts=None)
    assert scene.run(driver) == "completed"
    scene.everybody_has(scene.new)
    jobs = [told[3]["pillar"]["tidegate"] for told in scene.world.publications if "b1" in told[2] and "mods" in told[3]]
    assert jobs[-1]["again"] is True


def test_what_returns_nonsense_has_failed(scene):
    scene.world.hosts["a1"].breaks = {"apply": "odd"}
    scene.begin()
    driver = scene.engine()
    assert scene.run(driver, "stopped") == "stopped"
    assert scene.phases(driver)["a1"] == "failed"


def test_a_failed_gate_takes_the_wave_back(scene):
    scene.gates.outcome = lambda context: "fail" if set(context.hosts) & {"a2"} else "pass"
    scene.begin(on_failure="wave")
    driver = scene.engine()
    assert scene.run(driver, "reversing") == "reversing"
    assert scene.run(driver, "stopped") == "stopped"
    for host in ("a2", "c1"):
        assert scene.world.hosts[host].confirmed == scene.old_plans[host]
        assert Assignments(scene.store).release_of(host) == scene.old
    for host in ("a1", "b1"):
        assert scene.world.hosts[host].confirmed == scene.new_plans[host]


def test_a_failed_gate_takes_everything_back(scene):
    scene.gates.outcome = lambda context: "fail" if "c2" in context.hosts else "pass"
    scene.begin(on_failure="all")
    assert scene.run(scene.engine()) == "rolled-back"
    scene.everybody_has(scene.old)


def test_a_rollback_that_fails_on_a_host_leaves_the_others_alone(scene):
    scene.gates.outcome = lambda context: "fail" if "c2" in context.hosts else "pass"
    scene.world.hosts["b1"].breaks = {"back": "failed"}
    scene.begin(on_failure="all")
    driver = scene.engine()
    assert scene.run(driver) == "rolled-back"
    for name in set(HOSTS) - {"b1"}:
        assert scene.world.hosts[name].confirmed == scene.old_plans[name]
    assert scene.world.hosts["b1"].confirmed == scene.new_plans["b1"]


def test_abort_during_a_rollback(scene):
    scene.gates.outcome = lambda context: "fail" if "c2" in context.hosts else "pass"
    scene.begin(on_failure="all")
    driver = scene.engine()
    assert scene.run(driver, "reversing") == "reversing"
    scene.ask("aborted")
    assert scene.run(driver) == "aborted"
    assert not any(host.pending for host in scene.world.hosts.values())


def test_a_gate_that_breaks_decides_nothing(scene):
    def broken(context):
        raise RuntimeError("no such thing")

    scene.gates.outcome = broken
    scene.begin()
    driver = scene.engine()
    assert scene.run(driver, "stopped") == "stopped"
    assert "could not decide" in driver.courses[scene.number].state.reason


def test_soaking_counts_what_was_watched(scene):
    scene.begin(soak=120.0, waves={"canary": ["a1"], "all": ["b1"]})
    driver = scene.engine()
    begin = scene.clock.seconds
    assert scene.run(driver) == "completed"
    assert scene.clock.seconds - begin > 240


def test_no_jump_of_a_clock_makes_a_soak_shorter(scene):
    """Neither the wall's clock nor a pause of the whole process."""
    scene.begin(soak=600.0, waves={"canary": ["a1"], "all": ["b1"]})
    driver = scene.engine()
    scene.run(driver, "running")
    while not driver.courses[scene.number].state.waves["canary"].round:
        driver.step()
        scene.world.wait(1.0)
    for jump in (timedelta(days=2), timedelta(days=-3)):
        scene.clock.wall += jump
        scene.clock.sleep(3600)
        for _ in range(5):
            driver.step()
            scene.world.wait(1.0)
    assert driver.courses[scene.number].state.waves["canary"].soaked < 120
    assert scene.run(driver) == "completed"


def test_a_pause_of_the_process_makes_nobody_unknown(scene):
    for host in scene.world.hosts.values():
        host.duration = 20.0
    scene.begin(pace=Pace(timeout=100_000))
    driver = scene.engine()
    while not scene.world.under_way:
        driver.step()
    scene.clock.sleep(10_000)
    assert scene.run(driver) == "completed"
    assert "lost" not in scene.kinds()


def test_the_health_gate_is_told_what_hosts_are_to_run(scene):
    scene.begin()
    scene.run(scene.engine())
    first = scene.gates.contexts[0]
    assert (first.name, dict(first.settings)) == ("health", {"kind": "health"})
    assert first.hosts == ("a1", "b1")
    assert first.expected == {host: scene.new_plans[host] for host in first.hosts}
    # What the confirmation's return said of the host is fresh enough for the first round.
    assert set(first.known) == {"a1", "b1"}


def test_a_host_that_is_drained_is_given_its_plan_with_the_drain_and_arrives(scene):
    Operations(scene.store).add("drain", {"host": "a1"}, {"how": "withdraw"}, who="ann", why="a test")
    scene.begin()
    assert scene.run(scene.engine()) == "completed"
    assert [act for act, _ in scene.world.hosts["a1"].ran if act == "apply"] == ["apply"]


def test_drift_blocks_the_start_until_it_is_adopted(scene):
    scene.world.hosts["c1"].drift = {"bird": ["protocol x is disabled by hand"]}
    scene.begin()
    driver = scene.engine()
    assert scene.run(driver, "blocked") == "blocked"
    assert "by hand" in driver.courses[scene.number].state.problems["c1"]
    wanted = Operations(scene.store)
    operation = wanted.add("adopt", {"host": "c1"}, {"drift": "d1"}, who="ann", why="a test")
    scene.ask("retried", hosts=None)
    assert scene.run(driver) == "completed"
    # It is left alone as long as that is in effect.
    assert not scene.world.hosts["c1"].changes
    assert operation.id == 1


def test_a_pause_of_hosts_keeps_them_waiting_and_a_hold_leaves_them_out(scene):
    operations = Operations(scene.store)
    held = operations.add("hold", {"host": "a2"}, {}, who="ann", why="a test")
    paused = operations.add("pause", {"pop": "c"}, {}, who="ann", why="another test")
    scene.begin()
    driver = scene.engine()
    for _ in range(300):
        if not driver.step():
            scene.world.wait(1.0)
    assert scene.phases(driver)["a2"] == "skipped"
    assert scene.phases(driver)["c1"] == "waiting"
    said = f"the end of operation {paused.id}, a pause by ann: another test"
    assert driver.courses[scene.number].state.waiting == said
    operations.end(paused.id, "ann", "done")
    assert scene.run(driver) == "completed"
    assert not scene.world.hosts["a2"].changes
    assert held.id == 1


def test_a_freeze_is_waited_for(scene):
    now = scene.clock.utc()
    window = {
        "name": "holidays",
        "from": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
        "why": "few people are there",
    }
    scene.begin(freezes=(window,))
    driver = scene.engine()
    for _ in range(60):
        if not driver.step():
            scene.world.wait(10.0)
    assert "holidays" in driver.courses[scene.number].state.waiting
    assert not scene.world.publications
    assert scene.run(driver, steps=6000) == "completed"


def test_another_rollout_takes_the_hosts_over(scene):
    for host in scene.world.hosts.values():
        host.duration = 30.0
    first = scene.begin()
    driver = scene.engine()
    while not scene.world.under_way:
        driver.step()
    scene.world.wait(31)
    scene.begin(supersedes=first)
    assert scene.run(driver) == "completed"
    assert (first, "superseded") in scene.told
    assert scene.journal.rollout(first).status == "superseded"
    scene.everybody_has(scene.new)


def test_two_rollouts_do_not_change_one_pop_at_once(store):
    scene = Scene(store, {"canary": ["a1"], "all": ["b1", "a2", "b2"]})
    rest = [host for host in scene.hosts if host not in ("a1", "b1")]
    before = dict.fromkeys([*scene.hosts, "z1"], scene.old)
    one = scene.begin(waves={"one": ["a1", "b1"]}, before={host: before[host] for host in ("a1", "b1")}, unchanged=())
    two = scene.begin(waves={"two": rest}, before={host: before[host] for host in rest}, unchanged=())
    driver = scene.engine()
    moving = []
    for _ in range(300):
        if not driver.step():
            scene.world.wait(1.0)
        busy = [
            {name[0] for name, host in course.state.hosts.items() if host.phase in MOVING}
            for course in driver.courses.values()
        ]
        moving.append(busy)
    assert all(len(busy) < 2 or not busy[0] & busy[1] for busy in moving)
    assert [scene.journal.rollout(number).status for number in (one, two)] == ["completed", "completed"]


def test_a_master_that_takes_no_jobs_for_a_while(scene):
    scene.begin()
    driver = scene.engine()
    scene.run(driver, "running")
    scene.world.reachable = False
    for _ in range(60):
        if not driver.step():
            scene.world.wait(1.0)
    scene.world.reachable = True
    assert scene.run(driver) == "completed"
    assert all(len(scene.world.hosts[host].changes) == 1 for host in HOSTS)


def test_a_host_that_reboots_in_the_middle(scene):
    """What it had applied is gone when it is to be confirmed; it is brought there once more."""
    scene.begin()
    driver = scene.engine()
    host = scene.world.hosts["a1"]
    while not host.pending:
        if not driver.step():
            scene.world.wait(1.0)
    host.expired_for = host.pending["owner"]
    host.reboot()
    assert scene.run(driver) == "completed"
    scene.everybody_has(scene.new)
    assert host.changes == [scene.new_plans["a1"]] * 2


def test_a_full_disk_stops_the_engine_where_it_is_until_there_is_room(small):
    store = Store(parse(str(small / "store.db")), create=True)
    scene = Scene(store)
    scene.begin()
    driver = scene.engine()
    while not scene.world.publications:
        driver.step()
    small_disk.fill(small / "filling")
    with pytest.raises(StoreError, match="disk is full"):
        for _ in range(200):
            driver.step()
            scene.clock.sleep(1)
    published = len(scene.world.publications)
    assert published == 1
    (small / "filling").unlink()
    assert scene.run(driver) == "completed"
    scene.everybody_has(scene.new)
    for host in HOSTS:
        assert scene.world.hosts[host].changes == [scene.new_plans[host]]


def test_the_store_is_gone_for_a_while(scene, monkeypatch):
    scene.begin()
    driver = scene.engine()
    scene.run(driver, "running")
    for _ in range(3):
        driver.step()
    database = scene.store.database

    def gone():
        raise StoreError("The store cannot be used: it is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(database, "writing", gone)
        patch.setattr(database, "reading", gone)
        scene.world.store, world_store = None, scene.world.store
        for _ in range(int(LEASE * 3)):
            with pytest.raises(StoreError):
                driver.step()
            scene.clock.sleep(1.0)
        scene.world.store = world_store
    scene.world.pass_time()
    assert scene.run(driver) == "completed"
    scene.everybody_has(scene.new)


def test_run_goes_on_whatever_fails_and_ends_when_told(scene, monkeypatch):
    scene.begin()
    driver = scene.engine()
    steps, failures = driver.step, iter([StoreError("gone"), RuntimeError("a bug")])

    def step():
        failure = next(failures, None)
        if failure:
            raise failure
        if scene.journal.rollout(scene.number).finished_at:
            driver.end()
        return steps()

    monkeypatch.setattr(driver, "step", step)
    driver.run(0.01)
    assert scene.journal.rollout(scene.number).status == "completed"
    assert Leases(scene.store).current() is None


def test_a_verdict_that_was_overtaken_is_not_taken_for_a_later_one(scene):
    """A gate is at it in a thread when somebody rolls back and begins again; its old answer is nobody's."""
    scene.begin(waves={"canary": ["a1"], "all": ["b1"]})
    answers, driver = threading.Event(), scene.engine(threads=True)
    outcomes = iter(["fail"])

    def slow(context):
        outcome = next(outcomes, "pass")
        if outcome == "fail":
            answers.wait(20)
        return outcome

    scene.gates.outcome = slow

    def go_on(until):
        for _ in range(3000):
            if until():
                return
            if not driver.step():
                time.sleep(0.002)
                scene.world.wait(0.3)
        raise AssertionError(scene.kinds())

    go_on(lambda: scene.gates.contexts)
    scene.ask("rollback", waves=["canary"])
    go_on(lambda: driver.courses[scene.number].state.waves["canary"].status == "back")
    answers.set()
    scene.ask("retried", hosts=None)
    go_on(lambda: scene.journal.rollout(scene.number).finished_at)
    assert scene.journal.rollout(scene.number).status == "completed"
    assert [scene.world.hosts[host].confirmed for host in ("a1", "b1")] == [scene.new_plans[h] for h in ("a1", "b1")]
