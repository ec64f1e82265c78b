"""Creating a release: compiled, judged, compared with the one before, stored; or refused with every reason."""

import threading
from contextlib import closing
from datetime import timedelta

import pytest
from drafts import AMS1, LHR1, quiet
from example import changed
from sqlalchemy import create_engine, text

from tidegate.host.errors import Refused
from tidegate.policy.load import examine
from tidegate.release.comparison import compared
from tidegate.release.creation import Request, RulesBroken, compile_release, create, propose
from tidegate.release.errors import NoSuchHost, NoSuchRelease
from tidegate.release.location import parse
from tidegate.release.rules import budgets
from tidegate.release.store import Store
from tidegate.release.verification import verify

BOTH = (
    "routing/neighbors/ams1-v6",
    {"match": {"pop": "ams1"}, "address": "2001:db8:3::1", "asn": 64602, "role": "peer"},
)
"""With this neighbor, each of the two PoPs announces each of the two prefixes."""
SHRUNK = (BOTH, ("routing/announcements/0/match", {"host": "edge1.ams1"}))
"""Two of these four are withdrawn: more than the budget."""


def request(*changes, **options):
    loaded = examine(changed(*changes))
    assert loaded.policy, loaded.problems
    return Request(loaded.policy, loaded.document, options.pop("who", "alice"), **options)


def created(store, *changes, **options):
    _, release, new = create(store, request(*changes, **options), quiet)
    assert new
    return release


def test_the_first_release_is_compared_with_nothing(store):
    release = created(store, note="the first")
    assert (release.against, release.hosts, release.who, release.note) == (None, 4, "alice", "the first")


def test_a_later_one_is_compared_with_the_newest(store):
    first, second = created(store), created(store, LHR1)
    third = created(store, AMS1)
    assert (second.against, third.against) == (first.id, second.id)


def test_or_with_the_one_that_is_named(store):
    first, _ = created(store), created(store, LHR1)
    assert created(store, AMS1, against=first.id[:8]).against == first.id


def test_a_name_that_no_release_has_is_an_error(store):
    created(store)
    with pytest.raises(NoSuchRelease):
        create(store, request(LHR1, against="ffffffff"), quiet)


def test_an_unchanged_policy_is_the_same_release(store):
    first = created(store)
    proposal, again, new = create(store, request(who="bob", note="again"), quiet)
    assert not new
    assert again == first == proposal.known


def test_the_id_is_the_same_in_every_store_and_whatever_the_order_of_keys(store, tmp_path):
    turned = examine({key: changed()[key] for key in reversed(changed())})
    other = Store(parse(str(tmp_path / "other.db")), create=True)
    _, release, _ = create(other, Request(turned.policy, turned.document, "bob"), quiet)
    assert release.id == created(store).id


def test_a_release_that_breaks_a_rule_is_refused_with_the_rule_and_the_reason(store):
    created(store, BOTH)
    with pytest.raises(RulesBroken, match="withdrawal-budget") as refused:
        create(store, request(*SHRUNK), quiet)
    assert "withdrawal-budget" in {finding.rule for finding in refused.value.findings}
    assert len(store.releases()) == 1


def broken(store, *changes):
    wanted = request(*changes)
    return {finding.rule for finding in propose(store, wanted, compile_release(wanted, quiet), quiet).findings}


def test_withdrawals_of_one_day_add_up(store, monkeypatch):
    one_left = (*SHRUNK[1:], ("routing/services/web/min_pops", 0))
    created(store, BOTH)
    created(store, *SHRUNK, waive=dict.fromkeys(broken(store, *SHRUNK), "wanted"))
    assert "withdrawal-rate" in broken(store, *one_left)
    monkeypatch.setattr(budgets, "LATELY", timedelta(seconds=-5))
    assert broken(store, *one_left) == broken(store, *one_left) - {"withdrawal-rate"}


def test_every_finding_must_be_waived(store):
    created(store, BOTH)
    with pytest.raises(RulesBroken) as refused:
        create(store, request(*SHRUNK), quiet)
    rules = {finding.rule for finding in refused.value.findings}
    for rule in rules:
        some = dict.fromkeys(rules - {rule}, "wanted")
        with pytest.raises(RulesBroken) as still:
            create(store, request(*SHRUNK, waive=some), quiet)
        assert {finding.rule for finding in still.value.findings} == {rule}
    release = created(store, *SHRUNK, waive=dict.fromkeys(rules, "wanted"))
    assert {waiver.rule for waiver in release.waivers} == rules
    assert {waiver.because for waiver in release.waivers} == {"wanted"}
    assert all(finding["rule"] == waiver.rule for waiver in release.waivers for finding in waiver.findings)


def test_a_set_that_grew_tenfold_since_the_last_release_needs_a_waiver(store):
    def listed(number):
        sets = {"isp": {"prefixes": [f"31.{one // 250}.{one % 250}.0/24" for one in range(number)]}}
        return [("routing/sets", sets), ("routing/neighbors/lhr1-v4/import", {"prefixes": "isp"})]

    created(store, *listed(9))
    with pytest.raises(RulesBroken, match="routing set 'isp' grows from 9 to 90 entries"):
        create(store, request(*listed(90)), quiet)
    assert len(store.releases()) == 1
    release = created(store, *listed(90), waive={"set-growth": "the customer bought a network"})
    assert [waiver.rule for waiver in release.waivers] == ["set-growth"]


def test_a_waiver_that_is_not_needed_is_not_kept(store):
    assert created(store, waive={"min-pops": "just in case"}).waivers == ()


def test_a_waiver_of_what_is_no_rule_is_refused_with_a_suggestion(store):
    with pytest.raises(Refused, match=r"no rule 'min-pop' to waive. Did you mean 'min-pops'"):
        create(store, request(waive={"min-pop": "why not"}), quiet)


@pytest.mark.parametrize("because", ["", "  \n"])
def test_a_waiver_without_a_reason_is_refused(store, because):
    with pytest.raises(Refused, match="gives no reason"):
        create(store, request(waive={"min-pops": because}), quiet)


def test_a_proposal_stores_nothing_and_needs_no_store(store):
    wanted = request()
    draft = compile_release(wanted, quiet)
    assert propose(None, wanted, draft, quiet).refused == []
    assert propose(store, wanted, draft, quiet).known is None
    assert store.releases() == []
    assert created(store).id == draft.id


def test_two_creations_at_once_are_compared_with_each_other(url):
    with closing(Store(parse(url), create=True)) as store:
        created(store)
    start, outcomes = threading.Barrier(2), {}

    def create_one(name, change):
        with closing(Store(parse(url))) as store:
            start.wait()
            outcomes[name] = created(store, change)

    threads = [threading.Thread(target=create_one, args=pair) for pair in (("a", LHR1), ("b", AMS1))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    second, third = sorted(outcomes.values(), key=lambda release: release.number)
    assert (second.number, third.number) == (2, 3)
    assert third.against == second.id


def test_a_secret_is_stored_by_its_name_alone(store):
    release = created(store, ("routing/neighbors/lhr1-v4/password", {"secret": "bgp/lhr1"}))
    assert store.plan(release.id, "edge1.lhr1").bird["neighbors"][0]["password"] == {"secret": "bgp/lhr1"}


class TestComparison:
    """Two releases side by side."""

    def test_the_delta_says_what_changes(self, store):
        one, other = created(store), created(store, AMS1)
        comparison = compared(store, one, other)
        assert comparison.as_dict()["before"] == one.id
        assert list(comparison.delta.by_host) == ["edge1.ams1"]
        assert not compared(store, one, one).delta

    def test_text_is_shown_once_for_hosts_that_share_it(self, store):
        one, other = created(store), created(store, ("filtering/rules/1/source_port", 123))
        (difference,) = compared(store, one, other).differences()
        assert difference.hosts == ("edge1.ams1", "edge1.iad1", "edge1.lhr1", "edge2.lhr1")
        assert [line for line in difference.lines if line[0] in "+-"] == [
            "-            53,",
            "-            53",
            "+            123,",
            "+            123",
        ]

    def test_one_host_alone(self, store):
        one, other = created(store), created(store, LHR1)
        assert compared(store, one, other, "edge1.ams1").differences() == []
        (difference,) = compared(store, one, other, "edge1.lhr1").differences()
        assert difference.hosts == ("edge1.lhr1",)
        with pytest.raises(NoSuchHost):
            compared(store, one, other, "edge1.lh1")


class TestVerification:
    """A release that is not what was created is found out."""

    @pytest.fixture
    def damage(self, store, url):
        release = created(store)

        def done(statement):
            engine = create_engine(parse(url))
            with engine.begin() as connection:
                connection.execute(text(statement))
            engine.dispose()
            (outcome,) = verify(store, [store.find(release.id[:8])], quiet)
            return " ".join(outcome.damage)

        return done

    def test_a_good_one_has_no_damage(self, store):
        releases = [created(store), created(store, LHR1)]
        assert [outcome.damage for outcome in verify(store, releases, quiet)] == [(), ()]

    @pytest.mark.parametrize(
        ("statement", "sentence"),
        [
            ("UPDATE plan SET document = replace(document, '10.0.0.1', '10.0.0.7')", "of edge1.lhr1 was altered"),
            ("UPDATE plan SET document = '{}'", "was altered"),
            ("UPDATE plan SET document = '[]'", "no plan any more"),
            ("UPDATE plan SET document = '{broken'", "no plan any more"),
            ("UPDATE plan SET document = ''", "no plan any more"),
            ("UPDATE release SET policy = replace(policy, '64500', '64501')", "policy was altered"),
            (f"UPDATE release SET policy_digest = '{'0' * 64}'", "policy was altered"),
            (f"UPDATE release SET policy_digest = '{'0' * 64}'", "id is another's"),
            ("DELETE FROM release_plan WHERE host = 'edge1.iad1'", "id is another's"),
            ("UPDATE release_plan SET host = 'edge9.lhr1' WHERE host = 'edge1.lhr1'", "is the plan of edge1.lhr1"),
            ("UPDATE release_plan SET plan = (SELECT min(digest) FROM plan)", "is the plan of edge"),
        ],
    )
    def test_what_was_altered_is_named(self, damage, statement, sentence):
        assert sentence in damage(statement)
