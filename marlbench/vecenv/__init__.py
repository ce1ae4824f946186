"""Copies of an environment in lockstep: stepping, seeds, checks, episode statistics."""
