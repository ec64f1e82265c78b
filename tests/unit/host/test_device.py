"""What is asked of network interfaces."""

import pytest

from tidegate.host.device import speed


@pytest.mark.parametrize("name", ["lo", "nosuch0", "", "a-name-that-is-much-too-long-for-an-interface"])
def test_the_speed_of_what_has_none_is_not_known(name):
    assert speed(name) is None
