"""Stands in for the package `smac` of oxwhirl: the same calls, no game."""
