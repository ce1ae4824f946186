"""Shared learning parts: torch in, torch out; README.md beside this says what each leaf is for."""
