"""The installation's mail server, for the time of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.mail.server import Post, serving

SENDER = "kontor@provider.example"


@pytest.fixture
def post(app: Flask) -> Iterator[Post]:
    """A server that takes all mail, named in the app's settings."""
    with serving() as post:
        before = app.config["SMTP_URL"], app.config["MAIL_FROM"]
        app.config.update(SMTP_URL=post.url, MAIL_FROM=SENDER)
        yield post
        app.config.update(SMTP_URL=before[0], MAIL_FROM=before[1])
