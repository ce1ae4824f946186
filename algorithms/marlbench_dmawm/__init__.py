"""dmawm: being written."""

marlbench_api = 1
