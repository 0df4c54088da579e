"""Runs: what was started, how far it is, how it ended."""
