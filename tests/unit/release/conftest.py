"""Makes ``fleet`` importable: pytest runs in importlib mode, so test folders are not on the path by themselves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
