"""The tables of the database: registered devices and the journal of what was published."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
)
from sqlalchemy import Table as _Table

metadata = MetaData()
devices = _Table(
    "devices",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("registered_s", Float, nullable=False),
)
versions = _Table(
    "versions",
    metadata,
    Column("event_id", String(64)),
    Column("version", Integer),
    Column("issued_s", Float, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("event_id", "version"),
)
latencies = _Table(
    "latencies",
    metadata,
    Column("event_id", String(64)),
    Column("version", Integer),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("event_id", "version"),
)
alerts = _Table(
    "alerts",
    metadata,
    Column("event_id", String(64)),
    Column("part", BigInteger),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("event_id", "part"),
)
"""Acknowledged alerts, in parts of up to a thousand (``alert_log``); an event may have many
parts."""
actions = _Table(
    "actions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("time_s", Float, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(32), nullable=False),
    Column("subject", String(96), nullable=False),
    Column("why", String(400), nullable=False),
)
silenced = _Table(
    "silenced",
    metadata,
    Column("station", String(16), primary_key=True),
    Column("since_s", Float, nullable=False),
    Column("who", String(64), nullable=False),
    Column("why", String(400), nullable=False),
)
