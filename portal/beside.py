"""Commands beside a running `flask up`: they find its own servers and keys by its data folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from flask import current_app

from portal.config import NO_DATABASE, sqlalchemy_url
from portal.embedded import STILL_STARTING, recall, running
from portal.errors import Refused
from portal.up import KEYS_FILE, RUNNING_FILE, complete, traits


def join() -> None:
    """Where no database is set, begin this command anew with those of the `flask up` that runs on the data folder.

    Raises click.ClickException where none does, or one with other keys: sealed by these, nobody could open a secret.
    """
    if current_app.config["SQLALCHEMY_DATABASE_URI"] != sqlalchemy_url(NO_DATABASE):
        return
    data = Path(current_app.config["DATA_FOLDER"]).absolute()
    try:
        urls, theirs, keys = running(data), recall(data / RUNNING_FILE), recall(data / KEYS_FILE)
    except Refused as refused:
        raise click.ClickException(str(refused)) from refused
    if not theirs:
        raise click.ClickException(STILL_STARTING.format(data=data))
    environment = complete(os.environ, urls, keys, data, 0, demo=False)
    environment["KONTOR_URL"] = os.environ.get("KONTOR_URL") or theirs["url"]
    if traits({"KONTOR_KEYS": "", **environment})["keys"] != theirs["keys"]:
        raise click.ClickException(f"The Kontor on {data} runs with other KONTOR_KEYS. Set the same ones here.")
    os.execve(sys.executable, [sys.executable, "-m", "flask", *sys.argv[1:]], environment)  # noqa: S606
