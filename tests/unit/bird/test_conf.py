"""The configuration as people see it: secrets hidden, errors pointed at, files put in place whole."""

from __future__ import annotations

import pytest

from tidegate.bird import conf

CONF = """router id 10.0.0.1;
protocol bgp lhr1
{
  password "hunter2"; hold tiem 90;
  local 198.51.100.2 as 64500;
}
"""


def test_an_error_is_three_lines_and_a_caret_and_no_secret(bird, tmp_path):
    said = conf.explain(bird.judge(CONF, tmp_path), CONF).splitlines()
    assert said[0].startswith("line 4: ")
    assert said[1:4] == ["    3 | {", '    4 |   password "<hidden>"; hold tiem 90;', said[3]]
    # The caret stands at the misspelt word (or just behind it) although hiding moved the text.
    column = said[3].index("^") - len("      | ")
    assert said[2][len("    4 | ") :].index("tiem") - 1 <= column <= said[2][len("    4 | ") :].index("90")
    assert "hunter2" not in "\n".join(said)


def test_an_error_inside_a_secret_shows_none_of_it(bird, tmp_path):
    text = CONF.replace('"hunter2"; hold tiem 90;', '"hunter2')
    said = conf.explain(bird.judge(text, tmp_path), text)
    assert "hunter2" not in said
    assert "^" in said


@pytest.mark.parametrize(
    "output",
    [
        "bird: /etc/bird/bird.conf:4:28 syntax error, unexpected CF_SYM_UNDEFINED",
        "bird: /x:1:1: Inferring function f return type\nbird: /etc/bird/bird.conf:4:28 syntax error",
        "bird: 2026-11-23 15:43:34.061 [0001] <FATAL> /etc/bird/bird.conf:4:28 syntax error, unexpected FILTER",
        "/etc/bird/bird.conf:4:28 syntax error",
    ],
)
def test_every_form_of_an_error_is_understood(output):
    said = conf.explain(output, CONF).splitlines()
    assert said[0].startswith("line 4: syntax error")
    assert len(said) == 5


def test_an_error_without_a_place_is_told_as_it_is():
    assert "No such file" in conf.explain("/nowhere: No such file or directory", "")
    assert conf.explain("", "") == "no reason given"


def test_a_secret_in_the_message_itself_is_hidden():
    assert "hunter2" not in conf.explain("bird: /x:4:3 unexpected hunter2", CONF)


@pytest.mark.parametrize(
    "line",
    [
        'password "hunter2";',
        'PASSWORD  "hunter2" { id 1; };',
        "password 'hunter2';",
        'key "hunter2";',
        'secret "hunter2";',
        'password "hunter2',
        'password\n    "hunter2";',
    ],
)
def test_secrets_are_hidden_however_they_are_written(line):
    assert "hunter2" not in conf.without_secrets(line)


def test_the_difference_shows_that_a_secret_changed_but_not_to_what():
    lines = conf.difference(CONF, CONF.replace("hunter2", "hunter3"))
    assert not any("hunter" in line for line in lines)
    assert any("<hidden, new>" in line for line in lines)


def test_the_marker_alone_is_no_readable_difference():
    old = f'define TIDEGATE_MARKER = "{"0" * 16}";\n{CONF}'
    assert conf.difference(old, old.replace("0" * 16, "1" * 16)) == []
    assert conf.marker(old) == "0" * 16
    assert conf.marker(CONF) is None


def test_install_replaces_whole_with_its_mode(tmp_path):
    path = tmp_path / "etc" / "bird.conf"
    conf.install(path, "first\n")
    conf.install(path, "second\n")
    assert path.read_text() == "second\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["bird.conf"]
