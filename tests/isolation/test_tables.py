"""The database itself keeps tenants and accounts apart: every table, as the app's role, a neighbour's row in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from portal import tables
from portal.extensions import db
from portal.scope import account, tenant
from tests.isolation.marked import Marked, everything, owner_column

TABLES = tables.metadata.sorted_tables
NOT_OURS = {"alembic_version"}  # which migration was the last; belongs to nobody


@contextmanager
def scope_of(app: Flask, marked: Marked) -> Iterator[None]:
    """The app's own connection with both scopes set; nothing is kept."""
    with app.app_context(), tenant(marked.merchant.tenant_id), account(marked.merchant.account_id):
        yield
        db.session.rollback()


def test_only_ones_own_rows_are_seen(app, first, second):
    for table in TABLES:
        own = owner_column(table)
        with scope_of(app, second):
            assert set(db.session.scalars(sa.select(own))) == {second.owner_of(table)}, table.name
            assert not db.session.execute(table.select().where(own == first.owner_of(table))).all(), table.name
        with scope_of(app, first):
            assert db.session.execute(table.select().where(own == first.owner_of(table))).all()


def test_without_a_scope_nothing_is_seen_and_nothing_written(app, first):
    for table in TABLES:
        with app.app_context():
            assert not db.session.execute(table.select()).all()
            assert db.session.execute(table.delete()).rowcount == 0
            with pytest.raises(ProgrammingError, match="row-level security policy"):
                db.session.execute(table.insert().values(first.rows[table.name]))
            db.session.rollback()


def test_the_other_kind_of_scope_shows_nothing(app, first):
    """A tenant's number is no account's: the cloud's rows stay hidden from the portal, and the other way round."""
    for table in TABLES:
        inside = tenant if table.name.startswith("cloud_") else account
        with app.app_context(), inside(first.owner_of(table)):
            assert not db.session.execute(table.select()).all()


def test_a_neighbours_rows_are_neither_changed_nor_deleted(app, owner, first, second):
    before = everything(owner, first)
    for table in TABLES:
        own = owner_column(table)
        with app.app_context(), tenant(second.merchant.tenant_id), account(second.merchant.account_id):
            changed = table.update().where(own == first.owner_of(table)).values({own.name: second.owner_of(table)})
            assert db.session.execute(changed).rowcount == 0
            assert db.session.execute(table.delete().where(own == first.owner_of(table))).rowcount == 0
            db.session.commit()
    assert everything(owner, first) == before


def test_nothing_is_written_in_a_neighbours_name(app, first, second):
    for table in TABLES:
        own = owner_column(table)
        with scope_of(app, second), pytest.raises(ProgrammingError, match="row-level security policy"):
            db.session.execute(table.insert().values(first.rows[table.name]))
        with scope_of(app, second):
            given = table.update().where(own == second.owner_of(table)).values({own.name: first.owner_of(table)})
            with pytest.raises(ProgrammingError, match="row-level security policy"):
                db.session.execute(given)


def test_a_scope_ends_with_its_block(app, first, second):
    """Also within a transaction, and after a roll-back: the connection goes back to the pool without a scope."""
    credentials = tables.metadata.tables["credential"]
    seen = sa.select(sa.func.count()).select_from(credentials)
    with app.app_context():
        with tenant(first.merchant.tenant_id):
            assert db.session.scalar(seen)
            with tenant(None):
                assert not db.session.scalar(seen)
            db.session.rollback()
            assert db.session.scalar(seen)
        assert not db.session.scalar(seen)
    with app.app_context():
        assert not db.session.scalar(sa.text("SELECT nullif(current_setting('app.tenant_id', true), '')"))


def test_what_goes_wrong_within_a_scope_is_told_as_what_it_is(app, first, servers):
    """The transaction is broken then, or the connection gone: the scope's end must not put its own error before it."""
    with app.app_context():
        with pytest.raises(IntegrityError), tenant(first.merchant.tenant_id):
            db.session.execute(
                sa.text("INSERT INTO credential (tenant_id) VALUES (:id)"), {"id": first.merchant.tenant_id}
            )
        db.session.rollback()
        with pytest.raises(OperationalError), tenant(first.merchant.tenant_id):
            process = db.session.scalar(sa.text("SELECT pg_backend_pid()"))
            with psycopg.connect(servers.database, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))
            db.session.execute(sa.text("SELECT 1"))
        db.session.rollback()
        assert not db.session.scalar(sa.text("SELECT nullif(current_setting('app.tenant_id', true), '')"))


def asked(app: Flask, statement: str) -> list[sa.Row]:
    with app.app_context():
        return list(db.session.execute(sa.text(statement)).all())


def test_every_table_has_a_row_policy_for_reading_and_writing(app):
    """Not FORCEd, on purpose (migrations/row_policies.py): the owner migrates and runs the narrow functions below."""
    protected = {
        row.relname: row.relrowsecurity
        for row in asked(
            app,
            "SELECT relname, relrowsecurity FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
        )
    }
    assert protected.keys() - NOT_OURS == set(tables.metadata.tables)
    assert all(secured for name, secured in protected.items() if name not in NOT_OURS), protected
    policies = asked(app, "SELECT tablename, permissive, cmd, qual, with_check FROM pg_policies")
    assert sorted(policy.tablename for policy in policies) == sorted(tables.metadata.tables)
    for policy in policies:
        table = tables.metadata.tables[policy.tablename]
        setting = "app.account_id" if policy.tablename.startswith("cloud_") else "app.tenant_id"
        assert (policy.permissive, policy.cmd) == ("PERMISSIVE", "ALL")
        assert policy.qual == policy.with_check
        assert policy.qual.startswith(f"({owner_column(table).name} = ") and f"'{setting}'" in policy.qual


def test_no_view_or_sequence_tells_of_rows(app):
    """A view would read with its owner's rights, past the policies."""
    assert not asked(
        app,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'f')",
    )


def test_the_apps_role_is_bound_by_the_policies(app):
    ((bypasses, superuser, creates),) = asked(
        app,
        "SELECT rolbypassrls, rolsuper, rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user",
    )
    assert (bypasses, superuser, creates) == (False, False, False)
    owners = {
        row[0]
        for row in asked(
            app,
            "SELECT relowner::regrole::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'",
        )
    }
    (me,) = asked(app, "SELECT current_user")[0]
    assert me not in owners
    for role in owners:
        assert not asked(app, f"SELECT pg_has_role('{role}', 'MEMBER')")[0][0], f"the app may become {role}"


def test_the_apps_role_may_not_empty_or_alter_a_table(app):
    """TRUNCATE asks no row policy."""
    for table in TABLES:
        rights = asked(
            app,
            f"SELECT has_table_privilege('{table.name}', 'TRUNCATE'), has_table_privilege('{table.name}', 'TRIGGER'),"
            f" has_schema_privilege('public', 'CREATE')",
        )
        assert rights == [(False, False, False)]


def test_the_functions_that_look_past_the_policies_tell_ids_only(app):
    functions = asked(
        app,
        "SELECT proname, proconfig, pg_get_function_result(oid) AS result, "
        "(SELECT bool_or(grantee = 0) FROM aclexplode(proacl)) AS public "
        "FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef",
    )
    assert len(functions) > 10
    for function in functions:
        assert function.proconfig == ["search_path=public, pg_temp"], function.proname
        assert function.public is False, f"anybody may call {function.proname}"
        words = set(function.result.replace("TABLE(", "").replace(")", "").replace(",", "").split())
        # Whoever starts the workers of services has to know which are to run, and how many.
        told = {word for word in words if not word.endswith("_id")} - {"active", "workers"}
        assert told <= {"integer", "bigint", "boolean", "SETOF", "void"}, f"{function.proname} tells {function.result}"
