"""The reference in docs/policy.md is the schema's own words."""

from pathlib import Path

from tidegate.policy.reference import markdown

DOCUMENT = Path(__file__).parents[3] / "docs" / "policy.md"


def test_the_reference_is_up_to_date():
    written = DOCUMENT.read_text().split("<!-- reference -->\n")[1]
    assert written.strip() == markdown().strip(), "run: tidegate schema --form markdown, and put it into docs/policy.md"
