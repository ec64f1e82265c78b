"""Makes ``waves`` of hosts with series, and the bench's worlds, importable: pytest runs in importlib mode."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "bench")]
