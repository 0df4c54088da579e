"""The `flask` commands."""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from portal.errors import Refused, Unavailable

CLI_LINK_HOURS = 1  # whoever reads it in the terminal opens it at once


def register(app: Flask) -> None:
    """Add Kontor's commands beside Flask's own. Each imports what it needs when it runs."""
    from portal.demo import demo
    from portal.reseal import reseal
    from portal.sandbox.command import sandbox
    from portal.up import up

    for command in (up, demo, sandbox, worker, workers, scheduler, reseal, sign_in_link, mail_test, bench):
        app.cli.add_command(command)


@click.command()
@click.option("--service", help="Work for this automation service only.")
@click.option("--tenant", "customer_number", help="Whose service, where several customers have one of that name.")
@click.option("--burst", is_flag=True, help="Stop when the queue is empty.")
@with_appcontext
def worker(service: str | None, customer_number: str | None, burst: bool) -> None:
    """Run a worker."""
    from jobs import pool
    from jobs import worker as single

    _check_migration()
    if service is None:
        single.run(_app(), burst=burst)
        return
    try:
        pool.serve(_app(), service, customer_number, burst)
    except Refused as refused:
        raise click.ClickException(str(refused)) from refused


@click.command()
@click.option("--count", type=click.IntRange(min=0), default=2, show_default=True, help="Workers for everybody.")
@with_appcontext
def workers(count: int) -> None:
    """Run several workers: some for everybody, and those of every automation service.

    It may run on several machines: their workers share the work.
    """
    from jobs import pool

    _check_migration()
    pool.run(_app(), count)


@click.command()
@with_appcontext
def scheduler() -> None:
    """Run the scheduler. More than one does no harm."""
    from jobs import scheduler as schedulers

    _check_migration()
    schedulers.run(_app())


@click.command()
@click.argument("email")
@with_appcontext
def sign_in_link(email: str) -> None:
    """Print a link that signs in the user with this EMAIL, once, to choose a new password."""
    from portal import beside
    from portal.extensions import db
    from portal.scope import tenant
    from portal.tenants import service

    beside.join()
    _check_migration()
    user = service.find_user(email)
    if user is None:
        raise click.ClickException(f"Nobody signs in with {email}.")
    with tenant(user.tenant_id):
        link = service.create_sign_in_link(user, CLI_LINK_HOURS)
        db.session.commit()
    click.echo(link)


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
