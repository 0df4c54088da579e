"""Passwords: argon2id, and the same work whether or not somebody of that name exists."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's parameters for argon2id: 19 MiB, two passes. A sign-in costs some 30 ms of one core, so
# that a burst of them does not starve the orders.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# What is checked where there is no user, or one without a password. Nobody knows what it was made from.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def hash_password(password: str) -> str:
    """The hash that is kept, with its salt and parameters inside."""
    return HASHER.hash(password)


def password_fits(password: str, kept: str | None) -> bool:
    """True if the password is the kept one. Takes as long where nothing is kept."""
    try:
        HASHER.verify(kept or NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def needs_rehash(kept: str) -> bool:
    """True if the hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(kept)
