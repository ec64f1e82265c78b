"""Suites for the verify gate to run: real pytest and testinfra, and a connection that needs no hosts."""

import textwrap

CONFTEST = '''
import sys

import testinfra.backend
from testinfra.backend.local import LocalBackend


class Imitated(LocalBackend):
    """Runs commands here, under a host's name; a host called "gone" does not answer."""

    NAME = "imitated"

    def __init__(self, hostname, **options):
        super().__init__()
        self.hostname = hostname

    def get_pytest_id(self):
        return f"imitated://{self.hostname}"

    def run(self, command, *args, **options):
        if self.hostname.startswith("gone"):
            raise RuntimeError(f"Error while running {command}. Minion not connected ?")
        return self.run_local(f"HOST={self.hostname}; {self.get_command(command, *args)}")


testinfra.backend.BACKENDS["imitated"] = "imitated.Imitated"
sys.modules["imitated"] = sys.modules[__name__]
'''


def made(folder, **parts):
    """A suite in a folder: name of a part → the source of its tests."""
    suite = folder / "suite"
    suite.mkdir()
    (suite / "conftest.py").write_text(CONFTEST)
    for name, source in parts.items():
        (suite / f"test_{name}.py").write_text(textwrap.dedent(source))
    return suite
