"""Every feature's tables in one place: what Alembic compares and what tests look at."""

from assistant.db.base import Base

metadata = Base.metadata
