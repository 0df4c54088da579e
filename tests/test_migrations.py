"""The migrations: from nothing to what the models say, back to nothing, and up again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy.dialects import postgresql

from portal import tables
from portal.addresses import matching
from portal.config import sqlalchemy_url
from portal.embedded import Embedded
from portal.servers import Postgres

# What the catalogue tells of a schema. Names and definitions only: numbers differ each time.
CATALOGUE = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public'",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "policies": "SELECT tablename, policyname, cmd, qual, with_check FROM pg_policies",
    "secured": "SELECT relname FROM pg_class WHERE relrowsecurity",
    "functions": "SELECT pg_get_functiondef(oid), proacl::text FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace",
    "sequences": "SELECT sequencename, data_type::text FROM pg_sequences WHERE schemaname = 'public'",
    "rights": "SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants"
    " WHERE table_schema = 'public'",
}


@pytest.fixture(scope="module")
def empty() -> Iterator[sa.Engine]:
    """A database without any table, as its owner; of a server of its own, whose other users do not mind."""
    with tempfile.TemporaryDirectory(prefix="kontor-") as folder:
        Path(folder).chmod(0o755)
        with Embedded(Path(folder), durable=False, wanted=(Postgres,)) as urls:
            engine = sa.create_engine(sqlalchemy_url(urls.database_owner), poolclass=sa.NullPool)
            yield engine
            engine.dispose()


def config_of(app: Flask) -> Config:
    with app.app_context():
        config: Config = app.extensions["migrate"].migrate.get_config()
        return config


def migrate(app: Flask, engine: sa.Engine, step: Any, target: str) -> None:
    config = config_of(app)
    with app.app_context(), engine.begin() as connection:
        config.attributes["connection"] = connection
        step(config, target)


def schema(engine: sa.Engine) -> dict[str, set[tuple[Any, ...]]]:
    with engine.connect() as connection:
        return {name: {tuple(row) for row in connection.execute(sa.text(sql))} for name, sql in CATALOGUE.items()}


def test_there_is_one_head(app):
    script = ScriptDirectory.from_config(config_of(app))
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_up_down_and_up_again(app, empty):
    migrate(app, empty, command.upgrade, "head")
    first = schema(empty)
    assert {row[0] for row in first["columns"]} == {*tables.metadata.tables, "alembic_version"}

    migrate(app, empty, command.downgrade, "base")
    left = schema(empty)
    assert {row[0] for row in left["columns"]} == {"alembic_version"}
    assert not left["functions"] and not left["policies"] and not left["secured"] and not left["sequences"]

    migrate(app, empty, command.upgrade, "head")
    assert schema(empty) == first


def test_each_step_can_be_taken_back(app, empty):
    """Down by one and up by one leaves the same, for each migration."""
    migrate(app, empty, command.downgrade, "base")
    revisions = list(ScriptDirectory.from_config(config_of(app)).walk_revisions())
    for script in reversed(revisions):
        migrate(app, empty, command.upgrade, script.revision)
        there = schema(empty)
        migrate(app, empty, command.downgrade, "-1")
        migrate(app, empty, command.upgrade, script.revision)
        assert schema(empty) == there, script.revision


def a_row(table: sa.Table, **values: Any) -> dict[str, Any]:
    """The first row of a table: what its columns ask for, and these values."""
    asked = [column for column in table.c if column.primary_key or not (column.nullable or column.server_default)]
    return {column.name: 1 if isinstance(column.type, sa.Integer) else "" for column in asked} | values


def test_customers_keep_their_references_and_get_their_keys(app, empty):
    """Up to 0004 and down again, with a buyer in the table."""
    migrate(app, empty, command.downgrade, "base")
    migrate(app, empty, command.upgrade, "0002")
    buyer = {"name": "Käthe", "street": "Weg 1", "postal_code": "01067", "email": "K@Example.com"}
    there = sa.MetaData()
    there.reflect(empty)
    with empty.begin() as connection:
        for name in ("tenant", "credential", "number_range", "address_status", "platform"):
            connection.execute(there.tables[name].insert().values(a_row(there.tables[name])))
        address = there.tables["address"]
        connection.execute(address.insert().values(a_row(address, buyer_reference="b", **buyer)))
    migrate(app, empty, command.upgrade, "0004")
    with empty.connect() as connection:
        (found,) = connection.execute(sa.text("SELECT id, email_key, place_key FROM address")).all()
        assert found.email_key == matching.email_key("K@Example.com")
        assert found.place_key == matching.place_key("Käthe", "01067", "Weg 1")
        references = connection.execute(sa.text("SELECT * FROM address_reference")).all()
        assert [tuple(reference) for reference in references] == [(1, 1, "b", found.id)]
    migrate(app, empty, command.downgrade, "0002")
    with empty.connect() as connection:
        assert connection.scalar(sa.text("SELECT buyer_reference FROM address")) == "b"
    migrate(app, empty, command.downgrade, "base")


# What a row of the tables before the ledger holds where the test names nothing.
OF_TYPE = {
    sa.Boolean: True,
    sa.Date: "2026-01-01",
    sa.DateTime: "2026-01-01",
    sa.Integer: 1,
    sa.LargeBinary: b"",
    sa.Numeric: 1,
    sa.String: "x",
    postgresql.ARRAY: [],
    postgresql.JSONB: {},
}


def add(connection: sa.Connection, to: str, /, **values: Any) -> int:
    """A row of a table as it is at this revision."""
    table = sa.Table(to, sa.MetaData(), autoload_with=connection)
    for column in table.c:
        if column.name not in values and not column.nullable and column.server_default is None:
            values[column.name] = next(value for kind, value in OF_TYPE.items() if isinstance(column.type, kind))
    return int(connection.execute(table.insert().values(values).returning(table.c.id)).scalar_one())


def test_numbers_that_are_there_already_are_entered_in_the_ledger(app, empty):
    """Where they are written as their range writes them now, and lie behind its next one."""
    migrate(app, empty, command.downgrade, "base")
    before = ScriptDirectory.from_config(config_of(app)).get_revision("0005").down_revision
    migrate(app, empty, command.upgrade, before)
    drawn = {"A0007": 7, "A0041": 41, "A0042": None, "A00008": None, "B0009": None, "A000x": None}
    bought = {"1000001": 1000001, "1000002": None, "G01": 1, "G-1": None}
    with empty.begin() as connection:
        tenant = add(connection, "tenant")
        of = {"tenant_id": tenant}
        orders = add(connection, "number_range", purpose="order", prefix="A", digits=4, next_number=42, **of)
        plain = add(connection, "number_range", purpose="address", prefix="", digits=7, next_number=1000002, **of)
        guests = add(connection, "number_range", purpose="address", prefix="G", digits=2, next_number=50, **of)
        statuses = [
            add(connection, "address_status", name=str(own), number_range_id=own, **of) for own in (plain, guests)
        ]
        account = add(connection, "credential", **of)
        seller = add(connection, "platform", credential_id=account, address_status_id=statuses[0], **of)
        for number in bought:
            status = statuses[number.startswith("G")]
            here = {"platform_id": seller, "status_id": status, **of}
            address = add(connection, "address", number=number, **here)
        for number in drawn:
            here = {"platform_id": seller, "address_id": address, "type": "order", "state": "open", **of}
            add(connection, "document", number=number, order_id=number, **here)
    migrate(app, empty, command.upgrade, "0005")
    with empty.connect() as connection:
        entered = "SELECT number, number_range_id, number_year, number_value FROM"
        documents = connection.execute(sa.text(f"{entered} document")).all()
        addresses = connection.execute(sa.text(f"{entered} address")).all()
    assert set(documents) == {(number, value and orders, None, value) for number, value in drawn.items()}
    ranges = {number: guests if number.startswith("G") else plain for number in bought}
    assert set(addresses) == {(number, value and ranges[number], None, value) for number, value in bought.items()}
    migrate(app, empty, command.downgrade, "base")


def test_each_tenant_gets_numbers_of_invoices_that_nobody_else_gives_out(app, empty):
    """Up to 0009 and down again, with an invoice in the table."""
    migrate(app, empty, command.downgrade, "base")
    before = ScriptDirectory.from_config(config_of(app)).get_revision("0009").down_revision
    migrate(app, empty, command.upgrade, before)
    prefixes = {"A": "R", "R": "RA", "RA{YYYY}-": "RB", "B": "RA"}
    with empty.begin() as connection:
        for place, prefix in enumerate(prefixes):
            of = {"tenant_id": add(connection, "tenant", customer_number=str(place))}
            add(connection, "app_user", email=str(place), language="de" if place else None, **of)
            orders = add(connection, "number_range", purpose="order", prefix=prefix, digits=7, **of)
            status = add(connection, "address_status", number_range_id=orders, **of)
            account = add(connection, "credential", **of)
            seller = add(connection, "platform", credential_id=account, address_status_id=status, **of)
            address = add(connection, "address", platform_id=seller, status_id=status, **of)
            here = {"platform_id": seller, "address_id": address, "state": "open", "order_id": "1", **of}
            if place == 2:
                add(connection, "document", type="order", number="RA0000001", **here)
            if place == 3:
                add(connection, "document", type="order", number="R0000017", **here)
    migrate(app, empty, command.upgrade, "0009")
    with empty.begin() as connection:
        made = connection.execute(
            sa.text(
                "SELECT i.prefix, i.name, i.next_number, i.id FROM number_range i JOIN number_range o "
                "USING (tenant_id) WHERE i.purpose = 'invoice' AND o.purpose = 'order' ORDER BY tenant_id"
            )
        ).all()
        assert [row.prefix for row in made] == list(prefixes.values())
        assert [(row.name, row.next_number) for row in made] == [("Invoices", 1), *[("Rechnungen", 1)] * 3]
        billed = "UPDATE document SET type = 'invoice', number_range_id = :id, number_value = 1"
        connection.execute(sa.text(billed), {"id": made[0].id})
    migrate(app, empty, command.downgrade, before)
    with empty.connect() as connection:
        kept = connection.execute(sa.text("SELECT type, number_range_id, number_value FROM document")).all()
    assert set(kept) == {("order", None, None)} and len(kept) == 2
    migrate(app, empty, command.downgrade, "base")


def differences(engine: sa.Engine, metadata: sa.MetaData) -> list[Any]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
        )
        return list(compare_metadata(context, metadata))


def test_the_database_is_what_the_models_say(app, empty):
    migrate(app, empty, command.upgrade, "head")
    assert differences(empty, tables.metadata) == []


def test_a_forgotten_migration_would_show(app, empty):
    migrate(app, empty, command.upgrade, "head")
    changed = sa.MetaData(naming_convention=tables.metadata.naming_convention)
    for table in tables.metadata.sorted_tables:
        table.to_metadata(changed)
    changed.tables["document"].append_column(sa.Column("forgotten", sa.String()))
    changed.tables["carrier"].c.name.type = sa.Integer()
    assert {
        difference[0] if isinstance(difference, tuple) else difference[0][0]
        for difference in differences(empty, changed)
    } == {
        "add_column",
        "modify_type",
    }


def test_conditions_of_indexes_and_checks_are_what_the_models_say(app, empty):
    """Which the comparison does not look at: made from the models alone, the catalogue says the same of them."""
    migrate(app, empty, command.upgrade, "head")
    migrated = schema(empty)
    migrate(app, empty, command.downgrade, "base")
    try:
        tables.metadata.create_all(empty)
        made = schema(empty)
    finally:
        tables.metadata.drop_all(empty)
    for part in ("indexes", "constraints", "columns"):
        ours = {row for row in migrated[part] if "alembic_version" not in repr(row)}
        assert ours == {row for row in made[part] if "alembic_version" not in repr(row)}, part
