"""Held orders: what waits for a person before it can be a document."""
