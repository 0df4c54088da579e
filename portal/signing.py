"""Calls that are signed, so that whoever gets one knows from whom it is: events of a cloud, webhooks of a task.

Neutral between cloud and portal, since both sign and neither may import the other.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "Kontor-Signature"


def signature(secret: str, body: bytes, at: int) -> str:
    """The header Kontor-Signature: the time it was signed (Unix) and HMAC-SHA256 over "time.body"."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
