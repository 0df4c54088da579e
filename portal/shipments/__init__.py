"""Shipments, carriers, and the status messages that carry tracking numbers back."""
