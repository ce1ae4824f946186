"""One thread per process in every test: tests share the cores, and so do the runs they start."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it loads, here and in children
