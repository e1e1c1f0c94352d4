"""Adds tables of acknowledged alerts, operators' actions, and stations silenced by them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alerts",
        sa.Column("event_id", sa.String(64)),
        sa.Column("part", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("event_id", "part"),
    )
    op.create_table(
        "actions",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("time_s", sa.Float, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(96), nullable=False),
        sa.Column("why", sa.String(400), nullable=False),
    )
    op.create_table(
        "silenced",
        sa.Column("station", sa.String(16), primary_key=True),
        sa.Column("since_s", sa.Float, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("why", sa.String(400), nullable=False),
    )
