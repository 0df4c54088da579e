"""What of a line left by another way than ours; and the parcels of a tenant, the newest first.

Until now the larger of what is in our parcels and of what the marketplace had told stood for both together.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("document_line", sa.Column("elsewhere", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE document_line l SET elsewhere = greatest(0, l.shipped - coalesce(("
        "SELECT sum(i.quantity) FROM shipment s JOIN shipment_item i ON i.shipment_id = s.id "
        "WHERE s.tenant_id = l.tenant_id AND s.document_id = l.document_id AND i.position = l.position), 0)) "
        "WHERE l.shipped > 0"
    )
    op.create_index("ix_shipment_newest", "shipment", ["tenant_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_shipment_newest", "shipment")
    op.drop_column("document_line", "elsewhere")
