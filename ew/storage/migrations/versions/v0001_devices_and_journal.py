"""Registered devices, event versions and their latency receipts.

Databases from before there were migrations have these tables already.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables that are missing."""
    op.create_table(
        "devices",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("latitude", sa.Float, nullable=False),
        sa.Column("longitude", sa.Float, nullable=False),
        sa.Column("registered_s", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "versions",
        sa.Column("event_id", sa.String(64)),
        sa.Column("version", sa.Integer),
        sa.Column("issued_s", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("event_id", "version"),
        if_not_exists=True,
    )
    op.create_index("ix_versions_issued_s", "versions", ["issued_s"], if_not_exists=True)
    op.create_table(
        "latencies",
        sa.Column("event_id", sa.String(64)),
        sa.Column("version", sa.Integer),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("event_id", "version"),
        if_not_exists=True,
    )
