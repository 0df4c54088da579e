"""Whether the database is at the version that this Kontor was written for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import psycopg
from alembic.script import ScriptDirectory

from portal.errors import Refused

FOLDER = Path(__file__).resolve().parents[1] / "migrations"
VERSIONS = "SELECT version_num FROM alembic_version"

BEHIND = "The database is behind this Kontor. Run “flask db upgrade” as the role that owns the tables."


def versions_at(url: str) -> set[str]:
    """The versions a database is at; none where it was never migrated. Raises psycopg.Error."""
    with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=5) as connection:
        try:
            return {row[0] for row in connection.execute(VERSIONS)}
        except psycopg.errors.UndefinedTable:
            return set()


def is_newest(versions: set[str]) -> bool:
    """False where a migration is due. Raises Refused where a newer Kontor has migrated the database."""
    newest, known = _versions()
    unknown = ", ".join(sorted(versions - known))
    if unknown:
        raise Refused(
            f"A newer Kontor has brought the database to version {unknown}, which this one does not know. "
            "Run that one, or restore a backup from before."
        )
    return versions == newest


def check(url: str) -> None:
    """Raises Refused where the database is not at the newest version. One that does not answer is left to others."""
    try:
        versions = versions_at(url)
    except psycopg.Error:
        return
    if not is_newest(versions):
        raise Refused(BEHIND)


@cache
def _versions() -> tuple[frozenset[str], frozenset[str]]:
    """The newest versions, and all that there are."""
    script = ScriptDirectory(str(FOLDER))
    return frozenset(script.get_heads()), frozenset(revision.revision for revision in script.walk_revisions())
