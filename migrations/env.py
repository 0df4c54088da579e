"""Migrations run as the role that owns the tables (DATABASE_OWNER_URL), never as the app's."""

import os

from alembic import context
from flask import current_app
from sqlalchemy import create_engine

from portal import tables
from portal.config import sqlalchemy_url

config = context.config


def run() -> None:
    connection = config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    url = os.environ.get("DATABASE_OWNER_URL") or current_app.config["SQLALCHEMY_DATABASE_URI"]
    engine = create_engine(sqlalchemy_url(str(url)))
    with engine.connect() as connection:
        _migrate(connection)
    engine.dispose()


def _migrate(connection) -> None:
    context.configure(connection=connection, target_metadata=tables.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


run()
