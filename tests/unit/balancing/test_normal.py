"""Order and repetition that mean nothing are gone: the same balancing has the same marker."""

from hypothesis import given
from hypothesis import strategies as st
from planned import backend, section, served, service

from tidegate.xdp.render import render

SECTION = section(
    service("dns", ports=[[17, 53], [6, 53]], vips=["192.0.2.53", "2001:db8::53"]),
    service("web", backends=[backend(f"server{n}", n) for n in range(1, 6)]),
    served=[served("dns"), served("web")],
)


def rendered(balancing):
    plan = {"interfaces": [], "rules": [], "management": {"neighbors": []}, "balancing": balancing}
    return render(plan)


@st.composite
def turned(draw):
    """The section with every list in another order, and some things said twice."""

    def mixed(items, twice=False):
        return draw(st.permutations([*items, *(items[:1] if twice and draw(st.booleans()) else [])]))

    def turn(one):
        lists = {"vips": mixed(one["vips"], True), "ports": mixed(one["ports"], True)}
        return {**one, **lists, "backends": mixed(one["backends"])}

    services = [turn(one) for one in mixed(SECTION["services"])]
    return {**SECTION, "services": services, "served": mixed(SECTION["served"])}


@given(turned())
def test_the_same_in_another_order_is_the_same(other):
    assert rendered(other) == rendered(SECTION)


def test_another_weight_is_another():
    other = section(service("web", backends=[backend("server1", 1, weight=99)]))
    assert rendered(other) != rendered(section(service("web")))
