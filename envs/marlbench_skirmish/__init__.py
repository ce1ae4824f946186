"""skirmish: being written."""

marlbench_api = 1
