"""`flask sandbox`."""

from __future__ import annotations

from pathlib import Path

import click

from portal.sandbox.plans import NAMED


@click.command()
@click.option("--port", default=8001, show_default=True, help="Port of 127.0.0.1 to listen on.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder that keeps the orders. Without it they end here.")
@click.option("--orders-per-minute", default=0.0, help="Place a mix of orders steadily.")
@click.option("--plan", type=click.Choice(list(NAMED)), default="published", show_default=True, help="Usage plans.")
@click.option("--min-age", default=120.0, show_default=True, help="Seconds until a change shows in searchOrders.")
@click.option("--redirect-uri", multiple=True, help="Registered for the application; else any of this machine.")
@click.option("--seed", default=1, show_default=True, help="Orders and chances are repeated with the same seed.")
def sandbox(
    port: int,
    data: Path | None,
    orders_per_minute: float,
    plan: str,
    min_age: float,
    redirect_uri: tuple[str, ...],
    seed: int,
) -> None:
    """Run the marketplace that plays Amazon."""
    from portal.sandbox import create_sandbox
    from portal.sandbox.server import serve

    public_url = f"http://127.0.0.1:{port}"
    app = create_sandbox(
        data / "sandbox.sqlite" if data else None,
        plans=NAMED[plan],
        public_url=public_url,
        min_age=min_age,
        orders_per_minute=orders_per_minute,
        redirect_uris=list(redirect_uri),
        seed=seed,
    )
    click.echo(f"The sandbox marketplace answers at {public_url}")
    serve(app, port)
