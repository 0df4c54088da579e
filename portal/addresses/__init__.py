"""The address book, address statuses, and the ranges that numbers are drawn from."""
