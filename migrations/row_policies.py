"""Row policies and the few functions that may look past them. Used by the migrations."""

from __future__ import annotations

from alembic import op

TENANT = "nullif(current_setting('app.tenant_id', true), '')::int"
ACCOUNT = "nullif(current_setting('app.account_id', true), '')::int"


def protect(table: str, column: str, owner: str) -> None:
    """Show and accept only rows whose `column` equals the setting; with no setting, none.

    Not FORCEd: the owner runs the migrations and the functions below; the app's role owns nothing.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own_rows ON {table} USING ({column} = {owner}) WITH CHECK ({column} = {owner})")


def look_past(signature: str, returns: str, body: str, volatility: str = "STABLE") -> None:
    """A function that runs as the owner: it answers one narrow question across tenants, never a row's content."""
    op.execute(
        f"CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE sql {volatility} SECURITY DEFINER "
        f"SET search_path = public, pg_temp AS $body$ {body} $body$"
    )
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    # A managed database may name the app's role otherwise; there the operator grants by hand (README).
    op.execute(
        f"DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'kontor_app') THEN "
        f"GRANT EXECUTE ON FUNCTION {signature} TO kontor_app; END IF; END $do$"
    )
