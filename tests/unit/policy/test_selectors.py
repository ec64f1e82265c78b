"""Choosing hosts by label: the quick look-up against the obvious one."""

from fnmatch import fnmatchcase

from example import GOOD
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.model import Policy
from tidegate.policy.selectors import Match

POLICY = Policy.model_validate(GOOD)
VALUES = {
    "region": ["eu", "us", "asia"],
    "pop": ["lhr1", "ams1", "iad1", "fra1"],
    "host": ["edge1.lhr1", "edge*", "*.lhr1", "edge[12].*", "edge?.iad1", "core*", "*"],
    "role": ["edge", "core"],
    "class": ["gen12", "gen13"],
}
SELECTORS = st.fixed_dictionaries(
    {}, optional={label: st.sampled_from(v) | st.lists(st.sampled_from(v), min_size=1) for label, v in VALUES.items()}
).filter(bool)


def obvious(match):
    def holds(labels, label, wanted):
        return any(fnmatchcase(labels[label], w) if label == "host" else labels[label] == w for w in wanted)

    wanted = {label: [value] if isinstance(value, str) else value for label, value in match.items()}
    return {
        host
        for host, labels in POLICY.index.labels.items()
        if all(holds(labels, label, values) for label, values in wanted.items())
    }


@given(SELECTORS)
def test_all_labels_hold_and_any_value_of_each(match):
    assert POLICY.index.select(Match.model_validate(match)) == obvious(match)


@given(SELECTORS)
def test_a_single_value_is_a_list_of_one(match):
    listed = {label: [value] if isinstance(value, str) else value for label, value in match.items()}
    assert Match.model_validate(match) == Match.model_validate(listed)


def test_all_is_every_host_and_only_the_word_says_so():
    assert POLICY.index.select(Match.model_validate("all")) == set(GOOD["fleet"]["hosts"])
    assert str(Match.model_validate("all")) == "all"


def test_a_selector_is_spelt_as_it_is_written():
    assert str(Match.model_validate({"region": ["eu", "us"], "class": "gen12"})) == "{region: [eu, us], class: gen12}"
