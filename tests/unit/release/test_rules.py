"""Every rule objects to what it is for, and to nothing else."""

import json
from pathlib import Path

import pytest
from fleet import GONE, edited, large, plans, policy
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.bpf.compile import MOST_ENTRIES
from tidegate.policy.load import load
from tidegate.policy.model import Policy
from tidegate.policy.plans import compile_fleet
from tidegate.release.rules import NAMES, RULES, Finding, budgets, judge
from tidegate.release.rules.terms import WIDEST

PILLAR = Path(__file__).parents[3] / "pillar"
POLICY, PLANS = policy(), plans()
WEB = "routing/services/web"
V4 = "routing/neighbors/lhr1-v4"
RULE = {"match": {"role": "edge"}, "interface": "uplink", "action": "drop"}


def found(rule, policy=POLICY, plans=PLANS, previous=None):
    """The reasons of one rule."""
    return [finding.reason for finding in judge(policy, plans, previous) if finding.rule == rule]


def after(rule, *changes, previous=PLANS):
    """The reasons of one rule against the changed policy."""
    return found(rule, policy(*changes), plans(*changes), previous)


def hand(rule, edit, host="edge1.lhr1"):
    """The reasons of one rule against plans of which one was edited by hand."""
    return found(rule, plans=edited(PLANS, host, edit))


def fleet(change=lambda document: None, **options):
    document = large(**options)
    change(document)
    policy = Policy.model_validate(document)
    return policy, compile_fleet(policy)


# ---- All of them -----------------------------------------------------------------------------------------------


def test_the_registry():
    assert list(NAMES) == list(RULES)
    assert set(NAMES) == {
        "min-pops",
        "pool-shrink",
        "control-plane-exported",
        "no-hidden-accept",
        "scoped-terms",
        "no-leak",
        "withdrawal-budget",
        "withdrawal-rate",
        "announcement-budget",
        "management-reachable",
        "artefact-size",
        "set-growth",
        "service-shrink",
        "test-topology",
        "session-restarts",
        "class-in-canary",
    }
    for rule in RULES.values():
        assert rule.reason.endswith(".")
        assert "\n" not in rule.reason + rule.outage
        assert rule.outage


def test_a_good_release_has_no_findings():
    assert judge(POLICY, PLANS, None) == judge(POLICY, PLANS, PLANS) == []
    example = load(PILLAR).policy
    assert judge(example, compile_fleet(example), None) == []


def test_plans_that_cannot_be_judged_are_not_good():
    broken = edited(PLANS, "edge1.lhr1", lambda plan: plan["bird"]["neighbors"][0].pop("export"))
    findings = judge(POLICY, broken, PLANS)
    assert findings
    assert all("could not be judged" in finding.reason for finding in findings)


def test_a_finding_is_plain_data():
    (finding,) = [one for one in judge(policy((f"{WEB}/min_pops", 2)), PLANS, None) if "2001" in one.reason]
    assert json.loads(json.dumps(finding.as_dict())) == {
        "rule": "min-pops",
        "reason": "2001:db8:100::/48 of service 'web' is announced from 1 of at least 2 PoPs",
        "where": ["lhr1"],
    }
    assert finding == Finding(**finding.as_dict())


# ---- Services --------------------------------------------------------------------------------------------------


def test_min_pops_counts_effective_announcements():
    two = policy((f"{WEB}/min_pops", 2), (f"{WEB}/prefixes", ["192.0.2.0/24"]))
    assert found("min-pops", two) == []
    # The policy is the same; the plan says it announces, and originates nothing.
    hollow = edited(PLANS, "edge1.ams1", lambda plan: plan["bird"].update(services=[]))
    assert found("min-pops", two, hollow) == ["192.0.2.0/24 of service 'web' is announced from 1 of at least 2 PoPs"]


def test_control_plane_exported():
    """Of a service that is the control plane's, no neighbor hears less; of others it may."""
    flag, less = (f"{WEB}/control_plane", True), ("routing/announcements/0/to", {"role": ["provider"]})
    (reason,) = after("control-plane-exported", flag, less)
    assert reason == "service 'web' is the control plane's, and a PoP would tell fewer neighbors of it than now"
    assert after("control-plane-exported", less) == after("control-plane-exported", flag) == []
    fewer = after("control-plane-exported", flag, (f"{WEB}/prefixes", ["2001:db8:100::/48"]))
    assert "2 PoPs would tell fewer" in fewer[0]
    # Another PoP that has it too makes up for nothing, and more neighbors are no loss.
    gained = policy(flag), PLANS, plans(less)
    assert found("control-plane-exported", *gained) == []
    renamed = plans(
        (WEB, GONE),
        ("routing/services/www", {"prefixes": ["192.0.2.0/24", "2001:db8:100::/48"]}),
        ("routing/announcements/0/service", "www"),
    )
    assert found("control-plane-exported", policy(flag), renamed, PLANS) == []


def test_service_shrink():
    away = ("routing/announcements", []), (f"{WEB}/min_pops", 0)
    assert after("service-shrink", *away) == ["service 'web' loses all of its 2 PoPs"]
    gone = after("service-shrink", ("routing/announcements", []), (WEB, GONE), ("filtering/rules/1/destination", GONE))
    assert gone == ["service 'web' loses all of its 2 PoPs, and the policy has it no longer"]
    one = ("routing/announcements/0/match", {"host": "edge1.lhr1"})
    assert after("service-shrink", one) == []
    assert after("service-shrink", one, (f"{WEB}/min_pops", 2)) == ["service 'web' goes from 2 PoPs to 1, below 2"]


@pytest.mark.parametrize(("left", "objects"), [(16, False), (15, True)])
def test_service_shrink_has_a_budget(left, objects):
    _, before = fleet()
    pops = [f"pop{number:02}" for number in range(left)]
    now, later = fleet(lambda document: document["routing"]["announcements"][0].update(match={"pop": pops}))
    assert bool(found("service-shrink", now, later, before)) == objects


def test_test_topology():
    host = "fleet/hosts/edge2.lhr1"
    peer = {"match": {"host": "edge2.lhr1"}, "address": "198.51.100.4", "asn": 64601, "role": "peer"}
    extra = (f"{host}/role", "test"), ("routing/neighbors/lab", peer)
    everyone = [("filtering/rules", []), ("shaping", [])]
    lab = ("routing/services/lab", {"prefixes": ["203.0.113.0/24"]})

    def announcing(service):
        return "routing/announcements/1", {"service": service, "match": {"role": "test"}, "to": "all"}

    assert after("test-topology", *extra, *everyone, lab, announcing("lab"), previous=None) == []
    reasons = after("test-topology", *extra, *everyone, announcing("web"), previous=None)
    assert reasons == ["192.0.2.0/24 is production's, and hosts of role 'test' would announce it"]
    # Production announces it no longer, but does so until this release is out.
    moved = *extra, *everyone, ("routing/announcements/0", announcing("web")[1])
    assert after("test-topology", *moved, previous=PLANS) == reasons
    assert after("test-topology", *moved, previous=None) == []


# ---- Terms -----------------------------------------------------------------------------------------------------


def rules(*written):
    return ("filtering/rules", [{**RULE, "name": f"r{position}", **rule} for position, rule in enumerate(written)])


ALLOW = {"action": "allow"}
HIDDEN = [
    ([{"source": "10.0.0.0/8"}, {**ALLOW, "source": "10.1.0.0/16"}], "r0 before it drops all of it"),
    ([{"protocol": "udp"}, {**ALLOW, "protocol": "udp", "source_port": 53}], "all of it"),
    ([{"source": ["10.0.0.0/9", "10.128.0.0/9"]}, {**ALLOW, "source": "10.0.0.0/8"}], "all of it"),
    ([{"source": "10.0.0.0/9"}, {"source": "10.128.0.0/9"}, {**ALLOW, "source": "10.0.0.0/8"}], "r0, r1 before it"),
    ([{"source": "10.0.0.0/8"}, {**ALLOW, "source": ["10.1.0.0/16", "11.0.0.0/8"]}], "allows source 10.1.0.0/16"),
    ([{"destination": "192.0.2.0/24"}, {**ALLOW, "destination": "192.0.2.9/32"}], "all of it"),
    (
        [
            {"protocol": "tcp", "destination_port": "1-99"},
            {**ALLOW, "protocol": "tcp", "destination_port": [22, "80-90"]},
        ],
        "all of it",
    ),
]
NOT_HIDDEN = [
    [{**ALLOW, "source": "10.1.0.0/16"}, {"source": "10.0.0.0/8"}],
    [{"source": "10.0.0.0/9"}, {**ALLOW, "source": "10.0.0.0/8"}],
    [{"source": "10.0.0.0/8", "protocol": "udp"}, {**ALLOW, "source": "10.1.0.0/16"}],
    [{"source": "10.0.0.0/8", "destination": "192.0.2.0/25"}, {**ALLOW, "source": "10.1.0.0/16"}],
    [{"protocol": "tcp", "destination_port": 80}, {**ALLOW, "protocol": "tcp"}],
    [{"protocol": "tcp", "destination_port": 80}, {**ALLOW, "protocol": "tcp", "destination_port": "80-81"}],
    [{"source": "10.0.0.0/8"}, {**ALLOW, "source": "2001:db8::/32"}],
    [{"source": "10.0.0.0/8"}, {"source": "10.1.0.0/16"}],
]


@pytest.mark.parametrize(("written", "words"), HIDDEN)
def test_a_drop_that_hides_an_allow(written, words):
    (reason,) = after("no-hidden-accept", rules(*written), previous=None)
    assert words in reason


@pytest.mark.parametrize("written", NOT_HIDDEN)
def test_a_drop_that_hides_no_allow(written):
    assert after("no-hidden-accept", rules(*written), previous=None) == []


def test_a_drop_on_another_interface_hides_nothing():
    second = ("fleet/hosts/edge1.lhr1/interfaces/inside", {"device": "eth1"})
    written = rules({"source": "10.0.0.0/8", "match": {"host": "edge1.lhr1"}, "interface": "inside"}, ALLOW)
    assert after("no-hidden-accept", second, written, previous=None) == []


def test_announcements_that_are_never_made():
    def twice(plan):
        exports = plan["bird"]["neighbors"][0]["export"]
        exports.append({**exports[0], "service": "other"})

    assert hand("no-hidden-accept", twice) == ["192.0.2.0/24 of 'other' to lhr1-v4 is hidden by the term of 'web'"]

    def hollow(plan):
        plan["bird"]["services"] = []

    assert len(hand("no-hidden-accept", hollow)) == 2

    def mixed(plan):
        plan["bird"]["neighbors"][0]["export"][0]["prefixes"].append("2001:db8:100::/48")

    assert hand("no-hidden-accept", mixed) == [
        "2001:db8:100::/48 of 'web' is never announced to lhr1-v4: the session is ipv4"
    ]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda plan: plan["bird"]["neighbors"][0]["export"][0].update(prefixes=[]), "names no prefix"),
        (lambda plan: plan["bird"]["neighbors"][0]["export"][0].update(prefixes=["0.0.0.0/0"]), "0.0.0.0/0, wider"),
        (lambda plan: plan["bird"]["neighbors"][1]["export"][0].update(prefixes=["2000::/3"]), "2000::/3, wider"),
        (lambda plan: plan["xdp"]["rules"][0].update(source=None), "drops everything"),
        (lambda plan: plan["xdp"]["rules"][0].update(source=["0.0.0.0/1", "128.0.0.0/1"]), "drops everything"),
        (lambda plan: plan["xdp"]["rules"][0].update(source=None, action="allow"), "allows everything"),
        (lambda plan: plan["xdp"]["rules"][0].update(source=[]), "empty source: it matches nothing"),
        (lambda plan: plan["xdp"]["rules"][0].update(devices=[]), "no interface"),
        (lambda plan: plan["tc"]["interfaces"][0]["classes"][1]["match"][0].update(source=None), "takes everything"),
        (lambda plan: plan["tc"]["interfaces"][0]["classes"][1]["match"][0].update(source=[]), "matches nothing"),
    ],
)
def test_terms_without_a_scope(edit, words):
    (reason,) = hand("scoped-terms", edit)
    assert words in reason


def test_terms_with_a_scope():
    assert hand("scoped-terms", lambda plan: plan["xdp"]["rules"][0].update(source=["128.0.0.0/1"])) == []
    assert hand("scoped-terms", lambda plan: plan["xdp"]["rules"][0].update(source=None, protocol=47)) == []
    last = {"action": "allow", "source": None, "destination": None, "protocol": None, "source_port": None}
    assert hand("scoped-terms", lambda plan: plan["xdp"]["rules"][-1].update(last)) == []
    assert WIDEST == {4: 8, 6: 16}


# ---- Leaks -----------------------------------------------------------------------------------------------------


def leaking(prefixes, accept="all", role="provider", asn=64777):
    """A second session besides the first, and a term on the first that names what the host does not hold."""

    def edit(plan):
        first = plan["bird"]["neighbors"][0]
        first["export"].append({**first["export"][0], "service": "x", "prefixes": prefixes})
        source = {**first, "name": "other", "protocol": "peer_other", "address": "198.51.100.9", "role": role}
        source |= {"asn": asn, "export": [], "import_": {**first["import_"], "accept": accept}}
        plan["bird"]["neighbors"].append(source)

    return edit


LEAK = "learned from other"


@pytest.mark.parametrize(
    ("edit", "leaks"),
    [
        (leaking(["8.8.8.0/24"]), True),
        (leaking(["8.8.8.0/24"], role="peer"), True),
        (leaking(["8.8.8.0/24"], role="ibgp", asn=64500), True),
        (leaking(["0.0.0.0/0"], accept="default"), True),
        (leaking(["8.8.8.0/24"], accept="default"), False),
        (leaking(["8.8.8.0/24"], accept="none"), False),
        (leaking(["8.8.8.0/24"], role="customer"), False),
        (leaking(["192.0.2.128/25"]), False),  # inside a service of ours: never learned
        (leaking(["2001:db8:7::/48"]), False),  # the other session is IPv4
    ],
)
def test_no_leak(edit, leaks):
    assert any(LEAK in reason for reason in hand("no-leak", edit)) == leaks


@pytest.mark.parametrize(
    ("session", "leaks"),
    [
        ({"role": "provider", "learned": ["customer"]}, False),
        ({"role": "provider", "learned": ["customer", "provider"]}, True),
        ({"role": "peer", "learned": ["peer"]}, True),
        ({"role": "rs", "learned": ["rs-client"]}, True),
        ({"role": "rs-client", "learned": ["rs-client", "customer"]}, False),
        ({"role": "rs-client", "learned": ["provider"]}, True),
        ({"role": "customer", "learned": ["provider", "peer", "rs"], "default_route": True}, False),
        ({"role": "peer", "default_route": True}, True),
    ],
)
def test_learned_routes_go_to_whom_they_may_go(session, leaks):
    reasons = hand("no-leak", lambda plan: plan["bird"]["neighbors"][0].update(session))
    assert any("would go to" in reason or "default route" in reason for reason in reasons) == leaks


def test_an_aggregate_is_the_policys_and_its_services():
    changes = [
        ("routing/aggregates", {"web-all": {"prefix": "192.0.0.0/22", "of": "web"}}),
        (
            "routing/announcements/1",
            {"service": "web-all", "match": {"host": "edge1.lhr1"}, "to": {"role": "provider"}},
        ),
    ]
    assert judge(policy(*changes), plans(*changes), PLANS) == []
    orphan = edited(plans(*changes), "edge1.lhr1", lambda plan: plan["bird"].update(services=[]))
    assert any("192.0.0.0/22" in reason for reason in found("no-hidden-accept", policy(*changes), orphan))


def test_a_route_set_may_not_grow_many_times_over():
    def filtered(prefixes):
        sets = {"isp": {"prefixes": [f"31.{number // 250}.{number % 250}.0/24" for number in range(prefixes)]}}
        return [("routing/sets", sets), (f"{V4}/import", {"prefixes": "isp"})]

    assert after("artefact-size", *filtered(150), previous=plans(*filtered(100))) == []
    (reason,) = after("artefact-size", *filtered(400), previous=plans(*filtered(100)))
    assert "grow" in reason


def test_what_is_announced_is_a_services_of_the_policy():
    def foreign(plan):
        plan["bird"]["services"][0]["ipv4"].append("198.18.0.0/15")
        plan["bird"]["neighbors"][0]["export"][0]["prefixes"].append("198.18.0.0/15")

    (reason,) = hand("no-leak", foreign)
    assert reason == "198.18.0.0/15 would be announced to lhr1-v4, and no service of the policy holds it"


def test_a_role_that_the_as_number_belies():
    (reason,) = hand("no-leak", lambda plan: plan["bird"]["neighbors"][0].update(role="ibgp"))
    assert reason == "lhr1-v4 has the role ibgp and AS 64601; ours is 64500"


# ---- Budgets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "objects"), [(18, False), (17, True)])
def test_withdrawal_budget(left, objects):
    _, before = fleet()
    pops = [f"pop{number:02}" for number in range(left)]
    now, later = fleet(lambda document: document["routing"]["announcements"][0].update(match={"pop": pops}))
    assert bool(found("withdrawal-budget", now, later, before)) == objects
    assert found("withdrawal-budget", now, before, later) == []


def announced_in(pops):
    return fleet(lambda document: document["routing"]["announcements"][0].update(match={"pop": pops}))


@pytest.mark.parametrize(("left", "objects"), [(16, False), (15, True)])
def test_several_releases_of_a_day_have_a_budget_together(left, objects):
    pops = [f"pop{number:02}" for number in range(20)]
    _, a_day_ago = announced_in(pops)
    _, before = announced_in(pops[: left + 1])
    now, later = announced_in(pops[:left])
    reasons = [finding.reason for finding in judge(now, later, before, a_day_ago) if finding.rule == "withdrawal-rate"]
    expected = (
        "with the releases before it 5 of 20 (PoP, prefix) pairs are withdrawn, 25%; 20% are allowed within 24 hours"
    )
    assert reasons == ([expected] if objects else [])


def test_a_release_that_withdraws_nothing_is_not_blamed_for_those_before_it():
    pops = [f"pop{number:02}" for number in range(20)]
    _, a_day_ago = announced_in(pops)
    now, same = announced_in(pops[:10])
    assert judge(now, same, same, a_day_ago) == judge(now, same, same)


@pytest.mark.parametrize(("earlier", "objects"), [(10, False), (9, True), (14, False)])
def test_announcement_budget(earlier, objects):
    now, later = fleet()
    pops = [f"pop{number:02}" for number in range(earlier)]
    _, before = fleet(lambda document: document["routing"]["announcements"][0].update(match={"pop": pops}))
    assert bool(found("announcement-budget", now, later, before)) == objects
    assert found("announcement-budget", now, before, later) == []


def test_the_first_announcements_have_no_budget():
    now, later = fleet()
    _, before = fleet(lambda document: document["routing"].update(announcements=[]))
    assert found("announcement-budget", now, later, before) == []


def test_one_pair_may_always_be_withdrawn():
    assert after("withdrawal-budget", ("routing/announcements/0/match", {"host": "edge1.lhr1"})) == []
    reasons = after("withdrawal-budget", ("routing/announcements/0/match", {"host": "edge1.ams1"}))
    assert reasons == ["2 of 3 (PoP, prefix) pairs are withdrawn, 67%; 10% are allowed at once"]


# ---- Pools -----------------------------------------------------------------------------------------------------


def balancing(**weights):
    """An edit of a host's plan: a service over these backends; ``d_NAME`` drains."""
    backends = [
        {"host": name.removeprefix("d_"), "address": "10.9.0.1", "weight": weight, "draining": name.startswith("d_")}
        for name, weight in weights.items()
    ]
    return lambda plan: plan["xdp"].update(balancing={"services": [{"name": "web", "backends": backends}]})


def pool(before, later, host="edge1.lhr1"):
    was, will = (edited(PLANS, host, edit) for edit in (before, later))
    return [finding for finding in judge(POLICY, will, was) if finding.rule == "pool-shrink"]


@pytest.mark.parametrize(
    ("later", "share"),
    [
        (balancing(a=100, b=100), None),
        (balancing(a=100), None),
        (balancing(a=99), "50%"),
        (balancing(a=100, d_b=100), None),
        (balancing(d_a=100, d_b=100), "100%"),
        (balancing(a=10, b=10), "90%"),
        (lambda plan: None, "100%"),
    ],
)
def test_a_balancer_keeps_half_of_its_pool(later, share):
    found = pool(balancing(a=100, b=100), later)
    assert [finding.where for finding in found] == ([["edge1.lhr1"]] if share else [])
    assert not share or f"loses up to {share} of its weight on 1 balancer" in found[0].reason


def test_a_pool_that_grows_or_is_new_is_nobody_s_loss():
    assert pool(balancing(a=100), balancing(a=100, b=100)) == []
    assert pool(lambda plan: None, balancing(a=1)) == []


# ---- The way home ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"source": "198.51.100.0/24"}, "BGP from 198.51.100.2"),
        ({"protocol": "tcp", "destination_port": 179}, "BGP from"),
        ({"protocol": "tcp", "source_port": "1-1023"}, "BGP from"),
        ({"source": "2001:db8:1::/64"}, "2001:db8:1::1"),
        ({"protocol": "icmpv6"}, "neighbour discovery"),
        ({"source": "fe80::/10"}, "neighbour discovery"),
        ({"destination": "198.51.100.3/32"}, "BGP from 198.51.100.2"),
    ],
)
def test_a_rule_that_drops_sessions(rule, words):
    reasons = after("management-reachable", rules(rule), previous=None)
    assert len(reasons) == 1
    assert words in reasons[0]


@pytest.mark.parametrize(
    "written",
    [
        [{"source": "203.0.113.0/24"}],
        [{"protocol": "udp"}],
        [{"protocol": "tcp", "destination_port": 23}],
        [{**ALLOW, "source": "198.51.100.2/32"}, {"source": "198.51.100.2/32"}],
        [{"source": "198.51.100.2/32", "match": {"pop": "iad1"}}],
    ],
)
def test_rules_that_drop_no_session(written):
    assert after("management-reachable", rules(*written), previous=None) == []


def test_a_neighbor_that_is_further_away_may_arrive_on_any_filtered_interface():
    def far(plan):
        plan["bird"]["neighbors"][0].update(role="ibgp", asn=64500, device=None, address="203.0.113.9")
        plan["xdp"]["rules"][0].update(source=["203.0.113.0/24"])

    assert "BGP from 203.0.113.9" in hand("management-reachable", far)[0]

    def elsewhere(plan):
        far(plan)
        plan["bird"]["neighbors"][0]["device"] = "eth1"

    assert hand("management-reachable", elsewhere) == []


HOME = "no ipv4 session accepts a default or all routes any longer: the last way home is lost"


def test_a_host_keeps_a_way_home():
    assert after("management-reachable", (f"{V4}/import", {"accept": "none"})) == [HOME]
    assert after("management-reachable", (f"{V4}/import", {"accept": "default"})) == []
    assert after("management-reachable", (f"{V4}/import", {"accept": "none"}), previous=None) == []
    none = plans((f"{V4}/import", {"accept": "none"}))
    assert after("management-reachable", (f"{V4}/import", {"accept": "none"}), previous=none) == []
    assert found("management-reachable", plans=edited(PLANS, "edge1.ams1", lambda p: p.update(bird=None))) == []
    let_go = edited(PLANS, "edge1.lhr1", lambda plan: plan.update(bird=None))
    assert HOME in found("management-reachable", plans=let_go, previous=PLANS)
    second = {"match": {"host": "edge1.lhr1"}, "address": "198.51.100.9", "asn": 64500, "role": "ibgp"}
    changes = (f"{V4}/import", {"accept": "none"}), ("routing/neighbors/core", second)
    assert after("management-reachable", *changes) == []


def test_all_that_a_peer_announces_is_no_way_home():
    """A peer has its own routes and no default: only a provider's table, or a default route, leads everywhere."""
    assert after("management-reachable", (f"{V4}/role", "peer"), ("routing/announcements/0/to", "all")) == [HOME]
    assert after("management-reachable", (f"{V4}/import", {"default_route": "reject"})) == []
    leads = (f"{V4}/import", {"default_route": "accept"})
    assert after("management-reachable", (f"{V4}/role", "peer"), leads, ("routing/announcements/0/to", "all")) == []


# ---- Artefacts -------------------------------------------------------------------------------------------------


def matcher(plan):
    return plan["xdp"]["rules"][0]


BAD = [
    (lambda plan: plan["xdp"]["rules"].extend([matcher(plan)] * MOST_ENTRIES), "filter rules; the data path"),
    (lambda plan: plan["xdp"]["rules"].append(matcher(plan)), "two filter rules have the name 'bogons'"),
    (lambda plan: matcher(plan)["source"].append("0.0.0.0/8"), "has 0.0.0.0/8 twice"),
    (lambda plan: matcher(plan)["source"].append("0.0.0/8"), "'0.0.0/8', which is no prefix"),
    (lambda plan: matcher(plan)["source"].append("::/129"), "'::/129', which is no prefix"),
    (lambda plan: matcher(plan)["source"].append("10.0.0.0/ 8"), "no prefix"),
    (lambda plan: matcher(plan).update(source_port=[[9, 65536]]), "port of rule 'bogons' is out of range"),
    (lambda plan: matcher(plan).update(source_port=[[9, 8]]), "port of rule 'bogons' is out of range"),
    (lambda plan: matcher(plan).update(dscp=[64]), "DSCP of rule 'bogons'"),
    (lambda plan: matcher(plan).update(protocol=256), "protocol of rule 'bogons'"),
    (lambda plan: plan["tc"]["interfaces"][0]["classes"][0].update(minor=7, ceiling=10**9), "rates of class"),
    (lambda plan: plan["tc"]["interfaces"][0]["classes"][0].update(default=True), "not exactly one default class"),
    (lambda plan: [one.update(minor=7) for one in plan["tc"]["interfaces"][0]["classes"]], "the class id 7"),
    (lambda plan: [one.update(name="x") for one in plan["tc"]["interfaces"][0]["classes"]], "the name x"),
    (
        lambda plan: plan["tc"]["interfaces"][0]["classes"][0].update(
            match=plan["tc"]["interfaces"][0]["classes"][0]["match"] * 40
        ),
        "match by 81 entries",
    ),
    (lambda plan: [one.update(address="198.51.100.2") for one in plan["bird"]["neighbors"]], "two sessions"),
    (lambda plan: [one.update(protocol="peer_x") for one in plan["bird"]["neighbors"]], "name in BIRD peer_x"),
    (lambda plan: plan["bird"]["neighbors"][0]["export"][0]["prefixes"].append("192.0.2.0/24"), "twice"),
    (lambda plan: plan["bird"]["neighbors"][0].update(description="x" * budgets.PLAN_BYTES), "larger than 1024 KiB"),
]


@pytest.mark.parametrize(("edit", "words"), BAD)
def test_artefacts_that_are_too_large_out_of_range_or_double(edit, words):
    reasons = hand("artefact-size", edit)
    assert any(words in reason for reason in reasons), reasons


def many(number):
    return "filtering/sets/bogons/prefixes", [f"10.{one >> 8}.{one & 255}.0/24" for one in range(number)]


def test_artefacts_that_are_good():
    assert after("artefact-size", many(budgets.PREFIXES), previous=None) == []


def test_a_set_may_not_be_too_large_nor_grow_many_times_over():
    (reason,) = after("artefact-size", many(budgets.PREFIXES + 1), previous=None)
    assert "more than 20000 prefixes" in reason
    grows = "prefixes to filter, shape or accept routes by grow more than 2 times at once"
    assert after("artefact-size", many(400), previous=plans(many(100))) == [grows]
    assert after("artefact-size", many(190), previous=plans(many(100))) == []
    assert after("artefact-size", many(50), previous=plans(many(2))) == []


def accepted(prefixes, others=0):
    """The provider's routes are held against a set of so many prefixes, and one of so many others."""

    def names(number, first):
        return [f"{first}.{one // 250}.{one % 250}.0/24" for one in range(number)]

    sets = {"isp": {"prefixes": names(prefixes, 31), "allow_empty": True}, "others": {"prefixes": names(others, 32)}}
    sets = {name: entry for name, entry in sets.items() if name == "isp" or others}
    return [("routing/sets", sets), (f"{V4}/import", {"prefixes": list(sets)})]


def test_a_route_set_ten_times_as_large_as_in_the_last_release_is_refused():
    (reason,) = after("set-growth", *accepted(300), previous=plans(*accepted(30)))
    assert reason == "routing set 'isp' grows from 30 to 300 entries at once; 10 times or more is refused"
    assert after("set-growth", *accepted(299), previous=plans(*accepted(30))) == []
    assert after("set-growth", *accepted(30), previous=plans(*accepted(300))) == []


def test_a_large_set_beside_it_hides_no_growth():
    before, now = accepted(30, others=500), accepted(300, others=500)
    assert after("artefact-size", *now, previous=plans(*before)) == []
    assert len(after("set-growth", *now, previous=plans(*before))) == 1


def test_a_set_that_was_empty_may_not_be_filled_at_once_but_a_new_one_may_and_a_short_one():
    (reason,) = after("set-growth", *accepted(21), previous=plans(*accepted(0)))
    assert "from 0 to 21 entries" in reason
    assert after("set-growth", *accepted(20), previous=plans(*accepted(0))) == []
    assert after("set-growth", *accepted(300), previous=PLANS) == []


def test_a_filters_set_ten_times_as_large_is_refused_and_any_is_no_size():
    (reason,) = after("set-growth", many(300), previous=plans(many(30)))
    assert reason == "the source of rule 'bogons' grows from 30 to 300 entries at once; 10 times or more is refused"
    anybody = edited(plans(many(300)), "edge1.lhr1", lambda plan: matcher(plan).update(source=None))
    hosts = {"edge1.lhr1": anybody["edge1.lhr1"]}
    assert after("set-growth", many(300), previous=hosts) == []


# ---- Restarts and waves ----------------------------------------------------------------------------------------


def holding(*pops):
    """The large fleet with another hold time in some PoPs."""

    def change(document):
        for pop in pops:
            document["routing"]["neighbors"][f"{pop}-transit"]["hold_time"] = 30

    return fleet(change)


def test_session_restarts():
    _, before = fleet()
    now, later = holding("pop03")
    assert found("session-restarts", now, later, before) == [
        "in a PoP more than 50% of the sessions restart at once (pop03: 5 of 5)"
    ]
    now, later = holding(*(f"pop{number:02}" for number in range(6)))
    reasons = found("session-restarts", now, later, before)
    assert "30 of 100 sessions that carry service 'web' restart; 25% are allowed at once" in reasons


def test_sessions_that_are_filtered_again_or_restart_in_small_numbers():
    _, before = fleet()
    now, later = fleet(**{"import": {"accept": "default"}, "description": "another"})
    assert found("session-restarts", now, later, before) == []
    some = edited(before, "edge0.pop03", lambda plan: plan["bird"]["neighbors"][0].update(hold_time=30))
    some = edited(some, "edge1.pop03", lambda plan: plan["bird"]["neighbors"][0].update(hold_time=30))
    assert found("session-restarts", now, some, before) == []


def test_class_in_canary():
    assert found("class-in-canary", *fleet()) == []
    waves = [{"name": "canary", "count": 1}, {"name": "all", "match": "all"}]
    now, later = fleet(lambda document: document.update(rollout={"waves": waves}))
    (reason,) = found("class-in-canary", now, later)
    assert reason.startswith("the first wave, 'canary', has no host of class 'gen1")
    waves[0] = {"name": "canary", "one_per": "class"}
    assert found("class-in-canary", *fleet(lambda document: document.update(rollout={"waves": waves}))) == []


# ---- Properties ------------------------------------------------------------------------------------------------

CHANGES = st.lists(
    st.sampled_from(
        [
            (f"{V4}/hold_time", 30),
            (f"{V4}/import", {"accept": "none"}),
            (f"{V4}/role", "peer"),
            ("routing/announcements/0/match", {"host": "edge1.lhr1"}),
            ("routing/announcements", []),
            ("filtering/sets/bogons/prefixes", ["198.51.100.0/24"]),
            ("filtering/rules/0/action", "allow"),
            ("shaping", []),
            (f"{WEB}/min_pops", 3),
            many(300),
        ]
    ),
    max_size=4,
    unique_by=lambda change: change[0],
)
COMPARING = {name for name, rule in RULES.items() if rule.compares}


def applicable(changes):
    """Changes of what another one takes away are left out."""
    paths = {path for path, _ in changes}
    return [
        one for one in changes if not (one[0].startswith("routing/announcements/") and "routing/announcements" in paths)
    ]


@given(CHANGES.map(applicable))
@settings(max_examples=60, deadline=None)
def test_a_release_that_changes_nothing_breaks_no_rule_about_change(changes):
    now, same = policy(*changes), plans(*changes)
    assert {
        "service-shrink",
        "pool-shrink",
        "control-plane-exported",
        "withdrawal-budget",
        "withdrawal-rate",
        "announcement-budget",
        "set-growth",
        "session-restarts",
    } == COMPARING
    assert judge(now, same, same) == judge(now, same, None)
    assert not COMPARING & {finding.rule for finding in judge(now, same, same)}


@given(CHANGES.map(applicable), CHANGES.map(applicable))
@settings(max_examples=60, deadline=None)
def test_judging_depends_on_its_arguments_alone(before, later):
    first = judge(policy(*later), plans(*later), plans(*before))
    turned = dict(reversed(plans(*later).items()))
    assert judge(policy(*later), turned, plans(*before)) == first
    assert not [finding for finding in first if "could not be judged" in finding.reason]
