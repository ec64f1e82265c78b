"""A plan is refused unless everything about it fits, with one sentence that says what does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.host.errors import Refused
from tidegate.host.plan import SCHEMA, Plan, canonical, digest_of, seal

CONTENT = {
    "schema": SCHEMA,
    "host": "edge1.lhr1",
    "labels": {"host": "edge1.lhr1", "pop": "lhr1", "region": "eu", "role": "edge", "class": "gen12"},
    "bird": None,
    "tc": {"interfaces": []},
    "xdp": {"interfaces": [], "rules": [], "management": {"neighbors": []}},
}
GOOD = dict(seal(CONTENT).document)


def without(*keys):
    return {key: value for key, value in GOOD.items() if key not in keys}


def sealed(**changes):
    return dict(seal({**CONTENT, **changes}).document)


REFUSED = [
    (None, "plan is empty"),
    ({}, "plan is empty"),
    ("", "plan is empty"),
    ([], "plan is empty"),
    ([1], "list"),
    ("plan", "str"),
    (7, "int"),
    ({"refused": "the policy has errors"}, "the policy has errors"),
    ({"fleet": {}}, "no schema"),
    (without("schema"), "no schema"),
    ({**GOOD, "schema": "1"}, "no schema"),
    ({**GOOD, "schema": True}, "no schema"),
    (sealed(schema=SCHEMA + 1), "saltutil.sync_all"),
    (sealed(schema=SCHEMA - 1), "older"),
    (without("digest"), "digest missing"),
    (without("tc", "xdp"), "tc, xdp missing"),
    (sealed(nat={}), "nat"),
    (sealed(tc=None), "'tc'"),
    (sealed(xdp=[]), "'xdp'"),
    (sealed(bird=[]), "'bird'"),
    (sealed(labels={}), "labels"),
    ({**GOOD, "digest": "0" * 64}, "altered"),
    ({**GOOD, "digest": None}, "altered"),
    ({**GOOD, "host": "edge2.lhr1"}, "altered"),
    ({**GOOD, "host": "**********"}, "masked"),
    ({**GOOD, "bird": {"neighbors": [{"description": "**********"}]}}, "masked"),
    ({**GOOD, "tc": {"rate": float("nan")}}, "JSON"),
    ({**GOOD, "tc": {"name": "\ud800"}}, "JSON"),
    ({**GOOD, "tc": {"name": {1, 2}}}, "JSON"),
    (sealed(host="edge2.lhr1"), "is for edge2.lhr1, but this host is edge1.lhr1"),
]


@pytest.mark.parametrize(("document", "words"), REFUSED)
def test_a_plan_that_does_not_fit_is_refused_in_one_sentence(document, words):
    with pytest.raises(Refused) as refusal:
        Plan.from_document(document, "edge1.lhr1")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_good_plan_survives_the_way_through_pillar():
    plan = Plan.from_document(json.loads(json.dumps(GOOD)), "edge1.lhr1")
    assert (plan.host, plan.digest, plan.bird) == ("edge1.lhr1", GOOD["digest"], None)
    assert json.loads(plan.canonical()) == GOOD


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(st.text(max_size=4), JSON, max_size=5)


@given(DOCUMENTS)
def test_the_digest_does_not_depend_on_the_order_of_keys_nor_on_itself(document):
    turned = dict(reversed(list(document.items())))
    assert digest_of(document) == digest_of(turned) == digest_of({**document, "digest": "anything"})


@given(DOCUMENTS)
def test_sealing_gives_the_digest_of_the_content(document):
    content = {key: value for key, value in document.items() if key != "digest"}
    assert seal(content).digest == digest_of(content)
    assert seal(content, {key: canonical(value) for key, value in content.items()}).digest == digest_of(content)


@given(DOCUMENTS)
def test_the_canonical_form_reads_back_to_the_same(document):
    assert json.loads(canonical(document)) == document
    assert canonical(json.loads(canonical(document))) == canonical(document)


@given(DOCUMENTS, DOCUMENTS)
def test_different_documents_have_different_digests(one, other):
    content = [{key: value for key, value in document.items() if key != "digest"} for document in (one, other)]
    assert (digest_of(one) == digest_of(other)) == (canonical(content[0]) == canonical(content[1]))


@given(st.recursive(st.none() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)))
def test_nothing_that_may_arrive_raises_anything_else(document):
    with pytest.raises(Refused):
        Plan.from_document(document)
