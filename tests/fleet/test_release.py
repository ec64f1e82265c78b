"""Releases on a running master: the policy it serves, frozen, compared and proven."""

from __future__ import annotations

import json

from scenario import replace_in


def runner(fleet, function, *arguments):
    """What ``salt-run release.…`` returns, as data: the last document it prints, after those that tell of progress."""
    text = fleet.exec("master", "salt-run", "--out=json", f"release.{function}", *arguments).stdout.strip()
    answer = None
    while text:
        answer, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].strip()
    return answer


def test_a_release_is_made_of_what_the_master_serves_and_made_once(fleet):
    first = runner(fleet, "create", "note=the example")
    again = runner(fleet, "create")
    assert (again["id"], again["new"]) == (first["id"], False)
    assert [release["id"] for release in runner(fleet, "list")["releases"]] == [first["id"]]
    assert runner(fleet, "verify")["retcode"] == 0


def test_a_change_is_told_in_the_terms_of_the_network(fleet):
    first = runner(fleet, "create")["id"]

    def prepend_in_ashburn(pillar):
        replace_in(pillar / "traffic/routing.sls", "prepend: 1", "prepend: 2")

    with fleet.changed_policy(prepend_in_ashburn):
        second = runner(fleet, "create")["id"]
    assert first != second
    told = json.dumps(runner(fleet, "delta", first, second))
    assert "192.0.2.0/24" in told
    assert "ams1" in told
    assert "iad1" not in told


def test_a_release_that_breaks_a_rule_is_refused_with_the_rules_name(fleet):
    def announce_nowhere_but_london(pillar):
        replace_in(pillar / "traffic/routing.sls", "pop: [lhr1, iad1]", "pop: [lhr1]")

    with fleet.changed_policy(announce_nowhere_but_london):
        refused = runner(fleet, "create")
    assert refused["retcode"] == 1
    assert [finding["rule"] for finding in refused["findings"]] == ["withdrawal-budget"]
