"""Notices: what asks for a person is said on every page, and by e-mail to those whom the tenant names."""
