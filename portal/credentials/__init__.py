"""A tenant's access to other systems: cloud credentials now, further kinds later."""
