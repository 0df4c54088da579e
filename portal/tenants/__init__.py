"""Customers of the provider, their users, and how these sign in."""
