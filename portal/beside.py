"""Commands beside a running `flask up`: they find its own servers and keys by its data folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from flask import current_app

from portal.config import NO_DATABASE, sqlalchemy_url
from portal.embedded import running
from portal.errors import Refused
from portal.up import URL_FILE, complete, keys


def join() -> None:
    """Where no database is set, begin this command anew with those of the `flask up` that runs on the data folder.

    Raises click.ClickException where none does.
    """
    if current_app.config["SQLALCHEMY_DATABASE_URI"] != sqlalchemy_url(NO_DATABASE):
        return
    data = Path(current_app.config["DATA_FOLDER"]).absolute()
    try:
        urls, url = running(data), (data / URL_FILE).read_text()
    except Refused as refused:
        raise click.ClickException(str(refused)) from refused
    except FileNotFoundError as missing:
        raise click.ClickException(f"The Kontor on {data} is still starting. Try again in a moment.") from missing
    environment = complete(os.environ, urls, keys(data, os.environ), data, 0, demo=False)
    environment["KONTOR_URL"] = os.environ.get("KONTOR_URL") or url
    os.execve(sys.executable, [sys.executable, "-m", "flask", *sys.argv[1:]], environment)  # noqa: S606
