"""Lets the tests of this folder import ``machine``, and what imports Salt's channel."""

import sys
from pathlib import Path

import salt.channel.client  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))

# Importing the channel leaves a finder of the old protocol behind (PEP 302), with which pytest cannot import a test.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
