"""Disturbs a grid in every way that is known, and looks whether its rows are as if nobody had."""
