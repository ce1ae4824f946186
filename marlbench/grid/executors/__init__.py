"""The executors that come with marlbench; what an executor is, `marlbench.executors` says."""
