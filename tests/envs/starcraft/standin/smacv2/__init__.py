"""Stands in for the package `smacv2` of oxwhirl: the same calls, no game."""
