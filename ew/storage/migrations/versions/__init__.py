"""Migrations of the database, run by Alembic (``ew.storage.database``)."""
