"""Orders may become invoices, with numbers of their own; and whatever an order becomes, it becomes once."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

KEY = ["tenant_id", "platform_id", "order_id"]
FILTERED = ["tenant_id", "state", "platform_id", "fulfilled_by"]
LISTS = {"ix_document_filters": ["ordered_at", "id"], "ix_document_filters_number": ["number"]}

# Each tenant gets a range of invoices under the first prefix, R or RA to RZ, that none of its documents bears and
# that the range of its orders does not begin with. It is called as the tenant's people speak.
INVOICES = """
INSERT INTO number_range (tenant_id, purpose, name, prefix, digits, next_number, last_number, yearly)
SELECT orders.tenant_id, 'invoice',
       CASE WHEN EXISTS (SELECT FROM app_user u WHERE u.tenant_id = orders.tenant_id AND u.language = 'de')
            THEN 'Rechnungen' ELSE 'Invoices' END,
       free.prefix, 7, 1, 9999999, false
FROM number_range orders CROSS JOIN LATERAL (
    SELECT 'R' || letter AS prefix
    FROM unnest(string_to_array(',A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,Q,R,S,T,U,V,W,X,Y,Z', ',')) AS letter
    WHERE NOT starts_with(orders.prefix, 'R' || letter)
    AND NOT EXISTS (
        SELECT FROM document d WHERE d.tenant_id = orders.tenant_id AND d.number ~ ('^R' || letter || '[0-9]{7}$')
    )
    ORDER BY letter LIMIT 1
) free
WHERE orders.id IN (SELECT min(id) FROM number_range WHERE purpose = 'order' GROUP BY tenant_id)
"""


def upgrade() -> None:
    op.add_column(
        "platform",
        sa.Column(
            "document_type",
            sa.Enum("order", "invoice", name="documenttype", native_enum=False, length=32),
            server_default="order",
            nullable=False,
        ),
    )
    op.execute(INVOICES)
    op.create_index(
        "uq_number_range_of_documents",
        "number_range",
        ["tenant_id", "purpose"],
        unique=True,
        postgresql_where=sa.text("purpose <> 'address'"),
    )
    _key_documents_by(KEY, [*FILTERED, "type"])


def downgrade() -> None:
    # Sales orders are all that was known before; the numbers stay as they are written.
    op.execute("UPDATE document SET type = 'order' WHERE type = 'invoice'")
    op.execute(
        "UPDATE document SET number_range_id = NULL, number_year = NULL, number_value = NULL FROM number_range r "
        "WHERE r.id = document.number_range_id AND r.purpose = 'invoice'"
    )
    op.execute("DELETE FROM number_range WHERE purpose = 'invoice'")
    op.drop_index("uq_number_range_of_documents", table_name="number_range")
    op.drop_column("platform", "document_type")
    _key_documents_by([*KEY, "type"], FILTERED)


def _key_documents_by(key: list[str], filtered: list[str]) -> None:
    op.drop_index("uq_document_order", table_name="document")
    op.create_index("uq_document_order", "document", key, unique=True)
    for index, behind in LISTS.items():
        op.drop_index(index, table_name="document")
        op.create_index(index, "document", [*filtered, *behind])
