"""No value of the plan becomes BIRD's syntax: it stays what it is inside quotes, or it is refused."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.bird.render import render
from tidegate.host.errors import Refused

TEMPLATES = Path(__file__).parents[3] / "salt" / "traffic" / "templates"

HOSTILE = [
    '"',
    "'",
    '"; } protocol static evil { ipv4; route 0.0.0.0/0 blackhole; } #',
    'x";\n include "/etc/shadow";\n description "',
    "x\n}\nprotocol static evil { ipv4; }",
    "x\r}\rprotocol static evil { ipv4; }",
    "line one\u2028line two",
    "line one\x85line two",
    "nul\x00byte",
    "escape \x1b[31mred",
    "right-to-left \u202e override",
    "zero\u200bwidth",
    "back\\slash\\",
    'back\\slash and quote \\"',
    "/* comment",
    "*/ comment",
    "# comment",
    "// comment",
    "{ braces }",
    "} closing",
    "; semicolon;",
    "$(id) `id` %s %n {{ 7 * 7 }} {% raw %}",
    "0000000000000000",
    "define TIDEGATE_MARKER = 0;",
    "Zürich 東京 🚀",
    "a" * 255,
    "a" * 256,
    "a" * 5000,
    "",
    " ",
]
FIELDS = ["name", "description", "device", "password", "service", "service_name", "set", "policy", "cache"]


def skeleton(text: str) -> list[str]:
    """What stands outside quotes and comments, where values must not reach; sorted, as functions are by service."""
    functions = r"(announce|in|within|check|tune|rpki|is_blackhole)_\w+"
    return sorted(re.sub(rf'"[^"\n]*"|#[^\n]*|{functions}', "_", text).split("\n"))


def place(section, secrets, field, value):
    if field == "password":
        secrets["bgp/lhr1-transit"] = value
    elif field == "service":
        for neighbor in section["neighbors"]:
            for export in neighbor["export"]:
                export["service"] = value if export["service"] == "dns" else export["service"]
    elif field == "service_name":
        section["services"][0]["name"] = value
    elif field in ("set", "policy"):
        rename(section, field, value)
    elif field == "cache":
        section["caches"][0]["name"] = value
    else:
        section["neighbors"][0][field] = value


def rename(section, field, value):
    """Give a set, or a policy, another name wherever it is named."""
    table, old = ("sets", "isp-more") if field == "set" else ("policies", "customer-4")
    section[table] = {value if name == old else name: entry for name, entry in section[table].items()}
    for neighbor in section["neighbors"]:
        rules = neighbor["import_"]
        if rules.get("policy") == old:
            rules["policy"] = value
        if "prefixes" in rules and field == "set":
            rules["prefixes"] = [value if name == old else name for name in rules["prefixes"]]


@pytest.mark.parametrize("field", FIELDS)
def test_hostile(bird, section, rendered, tmp_path, field):
    harmless = skeleton(rendered(bird.version))
    accepted = [value for value in HOSTILE if is_accepted(bird, section, tmp_path, field, value, harmless)]
    # Neither refusing everything nor letting everything through would be a proof.
    assert "{ braces }" in accepted
    assert "a" * 5000 not in accepted


def is_accepted(bird, section, folder, field, value, harmless) -> bool:
    """False: refused, without showing a secret. True: rendered, and nothing but the value changed."""
    changed, secrets = copy.deepcopy(section), {"bgp/lhr1-transit": "x", "bgp/lhr1-peer": "y"}
    place(changed, secrets, field, value)
    try:
        files = render(changed, version=bird.version, templates=TEMPLATES, secrets=secrets, key=b"k")
    except Refused as refused:
        assert field != "password" or len(value) < 2 or value not in str(refused)
        return False
    text = files["bird.conf"]
    assert bird.judge(text, folder) == "", value
    assert skeleton(text) == harmless, value
    return True


@given(description=st.text(max_size=300), secret=st.text(max_size=100))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_rendered_to_an_accepted_configuration_or_refused(bird, section, tmp_path, description, secret):
    section["neighbors"][0]["description"] = description
    secrets = {"bgp/lhr1-transit": secret, "bgp/lhr1-peer": "y"}
    try:
        files = render(section, version=bird.version, templates=TEMPLATES, secrets=secrets, key=b"k")
    except Refused:
        return
    assert bird.judge(files["bird.conf"], tmp_path) == ""
