"""Lets tests import what this folder shares as `tests.training.small_runs`.

The repository comes last on the path, so that an installed marlbench is the one that is tested.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
