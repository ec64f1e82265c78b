"""The counters as Prometheus reads them."""

from tidegate.xdp.counters import RuleTally, Tally
from tidegate.xdp.metrics import State, text


def test_every_figure_has_its_name_and_type():
    rules = {"dns": RuleTally(3, 300, 1, 100), 'odd "one"\\': RuleTally(0, 0, 0, 0)}
    found = text(State("ab12", False, {"eth0": "native", "eth1": "none"}), rules, {"passed": Tally(7, 700)})
    assert [line for line in found.splitlines() if not line.startswith("#")] == [
        'tidegate_filter_info{policy="ab12",confirmed="false"} 1',
        'tidegate_filter_attached{device="eth0",mode="native"} 1',
        'tidegate_filter_attached{device="eth1",mode="none"} 0',
        'tidegate_filter_packets_total{outcome="passed"} 7',
        'tidegate_filter_bytes_total{outcome="passed"} 700',
        'tidegate_filter_rule_packets_total{rule="dns"} 3',
        'tidegate_filter_rule_packets_total{rule="odd \\"one\\"\\\\"} 0',
        'tidegate_filter_rule_bytes_total{rule="dns"} 300',
        'tidegate_filter_rule_bytes_total{rule="odd \\"one\\"\\\\"} 0',
        'tidegate_filter_rule_over_limit_packets_total{rule="dns"} 1',
        'tidegate_filter_rule_over_limit_packets_total{rule="odd \\"one\\"\\\\"} 0',
        'tidegate_filter_rule_over_limit_bytes_total{rule="dns"} 100',
        'tidegate_filter_rule_over_limit_bytes_total{rule="odd \\"one\\"\\\\"} 0',
    ]
    assert found.count("# TYPE tidegate_filter_rule_packets_total counter") == 1
    assert found.endswith("\n")
