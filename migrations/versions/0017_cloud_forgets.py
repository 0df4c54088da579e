"""The cloud forgets orders that are done, settled messages, and calls that nothing waits for."""

from alembic import op

from migrations.row_policies import look_past

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("DROP FUNCTION cloud_forget(interval)")
    # An order has its newest version about when its row was written: an index of block ranges costs next to nothing.
    op.create_index(
        "ix_cloud_order_version",
        "cloud_order",
        ["version"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )
    # What was delivered and is not shipped yet may have to be reported: it stays for a year at most. Looked for in the
    # bytes, since PostgreSQL reads no JSON with an escaped NUL in it; within a text the quotes would be escaped.
    # Locked, since what is locked is looked at once more: a newer version may just have come. Of messages go those of
    # which it is certain what became of them: of the others `tried_at` must not be lost.
    look_past(
        "cloud_forget(kept interval, most int)",
        "bigint",
        """
        WITH event AS (
            DELETE FROM cloud_event WHERE created_at < now() - kept AND next_try_at IS NULL
        ), empty_call AS (
            DELETE FROM cloud_collection WHERE collected_at < now() - kept AND orders = 0
        ), done AS (
            DELETE FROM cloud_order WHERE id IN (
                SELECT id FROM cloud_order WHERE version < now() - kept AND state <> 'waiting' AND (
                    state <> 'delivered' OR version < now() - interval '1 year'
                    OR position('"status":"unshipped"'::bytea IN payload) = 0
                    AND position('"status":"partly_shipped"'::bytea IN payload) = 0
                ) LIMIT most FOR UPDATE SKIP LOCKED
            ) RETURNING id
        ), message AS (
            DELETE FROM cloud_status_message WHERE id IN (
                SELECT id FROM cloud_status_message
                WHERE greatest(created_at, sent_at, confirmed_at) < now() - kept
                AND (state = 'confirmed' OR state = 'failed' AND tried_at IS NULL) LIMIT most FOR UPDATE SKIP LOCKED
            ) RETURNING id
        ), call AS (
            DELETE FROM cloud_collection c WHERE collected_at < now() - interval '1 year' AND orders > 0
            AND NOT EXISTS (SELECT FROM cloud_order o WHERE o.state = 'waiting' AND o.collection_id = c.id)
        )
        SELECT greatest((SELECT count(*) FROM done), (SELECT count(*) FROM message))""",
        "VOLATILE",
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION cloud_forget(interval, int)")
    op.drop_index("ix_cloud_order_version", "cloud_order")
    look_past(
        "cloud_forget(kept interval)",
        "bigint",
        """
        WITH event AS (
            DELETE FROM cloud_event WHERE created_at < now() - kept AND next_try_at IS NULL RETURNING id
        ), call AS (
            DELETE FROM cloud_collection WHERE collected_at < now() - kept AND orders = 0 RETURNING id
        )
        SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM call)""",
        "VOLATILE",
    )
