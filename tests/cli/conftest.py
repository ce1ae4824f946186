"""Makes `distributions`, by which tests install plugins of third parties, importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "host"))
