"""What a generation's files say, and that a damaged one never reads as "nothing"."""

from __future__ import annotations

import pytest

from tidegate.host.errors import Refused
from tidegate.xdp.desired import Masters, masters, read


def test_masters_and_their_ports(tmp_path):
    (tmp_path / "management.json").write_text('{"masters": ["192.0.2.1"], "publish_port": 14505, "return_port": 14506}')
    assert masters(tmp_path) == Masters(("192.0.2.1",), (14505, 14506))


def test_ports_have_salts_defaults(tmp_path):
    (tmp_path / "management.json").write_text('{"masters": []}')
    assert masters(tmp_path) == Masters((), (4505, 4506))


def test_masterless(tmp_path):
    assert masters(tmp_path) == Masters()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"masters": ["salt"]}', '{"masters": null}'])
def test_damaged_masters_are_refused(tmp_path, text):
    (tmp_path / "management.json").write_text(text)
    with pytest.raises(Refused, match="stage the generation again"):
        masters(tmp_path)


@pytest.mark.parametrize("text", [None, "", "null", "[]", '{"rules": []}'])
def test_damaged_rules_are_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "xdp.json").write_text(text)
    with pytest.raises(Refused, match="stage the generation again"):
        read(tmp_path)
