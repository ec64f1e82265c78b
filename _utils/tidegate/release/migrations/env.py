"""What Alembic runs: the steps, over the connection and inside the transaction that it was given."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
