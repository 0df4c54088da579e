"""What the marketplace says no with, in Amazon's own shape."""

from __future__ import annotations

from msgspec import Struct


class Problem(Struct, omit_defaults=True):
    """One of the errors of an answer."""

    code: str
    message: str
    details: str | None = None


class Refusal(Exception):
    """An answer of the API that is an error."""

    def __init__(self, status: int, code: str, message: str, details: str | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.problem = Problem(code, message, details)


def invalid_input(message: str = "Invalid Input", details: str | None = None) -> Refusal:
    return Refusal(400, "InvalidInput", message, details)


def unauthorized(details: str) -> Refusal:
    return Refusal(403, "Unauthorized", "Access to requested resource is denied.", details)


def not_found(details: str | None = None) -> Refusal:
    return Refusal(404, "NotFound", "The requested resource doesn't exist.", details)


def quota_exceeded() -> Refusal:
    return Refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", "")


def internal_failure() -> Refusal:
    return Refusal(500, "InternalFailure", "We encountered an internal error. Please try again.", "")
