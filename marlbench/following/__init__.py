"""Hands rows of runs on to sinks, from a process of its own: a dead network stops no run."""
