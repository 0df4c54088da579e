"""Sales documents: intake from orders, exactly once, and everything that can be asked about it."""
