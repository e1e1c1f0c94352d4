"""How Alembic runs the migrations: on the connection it is handed, in its transaction."""

from alembic import context

from ew.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
