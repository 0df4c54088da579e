"""The `flask` commands."""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from portal.errors import Refused, Unavailable


def register(app: Flask) -> None:
    """Add Kontor's commands beside Flask's own. Each imports what it needs when it runs."""
    from portal.demo import demo
    from portal.reseal import reseal
    from portal.sandbox.command import sandbox
    from portal.up import up

    for command in (up, demo, sandbox, worker, scheduler, reseal, mail_test, bench):
        app.cli.add_command(command)


@click.command()
@click.option("--queue", "queues", multiple=True, help="Only these queues, in this order.")
@click.option("--burst", is_flag=True, help="Stop when the queues are empty.")
@with_appcontext
def worker(queues: tuple[str, ...], burst: bool) -> None:
    """Run a worker."""
    from jobs import worker as workers
    from jobs.queues import QUEUES

    _check_migration()
    workers.run(_app(), queues or QUEUES, burst)


@click.command()
@with_appcontext
def scheduler() -> None:
    """Run the scheduler. More than one does no harm."""
    from jobs import scheduler as schedulers

    _check_migration()
    schedulers.run(_app())


@click.command()
@click.argument("address")
@with_appcontext
def mail_test(address: str) -> None:
    """Send an e-mail to ADDRESS, or say why it cannot be sent."""
    from secrets import token_hex

    from portal import mail

    try:
        mail.send([address], "Kontor’s e-mails arrive", "This is a test.\n", mail.message_id(f"test-{token_hex(8)}"))
    except (Refused, Unavailable) as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo(f"The mail server has taken an e-mail to {address}.")


@click.command()
@click.argument("names", nargs=-1)
def bench(names: tuple[str, ...]) -> None:
    """Measure: all of tests/benchmarks, or those named."""
    from tests.benchmarks import run

    run(names)


def _check_migration() -> None:
    """Jobs on tables that are not there, or no longer so, would only fail one by one."""
    from portal import migration

    try:
        migration.check(current_app.config["SQLALCHEMY_DATABASE_URI"])
    except Refused as refused:
        raise click.ClickException(str(refused)) from refused


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined]
