"""A tenant's marketplace accounts, and how they are connected through a cloud."""
