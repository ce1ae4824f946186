"""Shared learning parts: torch in, torch out; leaves with one exact meaning, never wiring."""
