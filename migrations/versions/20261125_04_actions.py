"""What the mentor proposes and does, approved, executed once, undone."""

from alembic import op

revision = "20261125_04"
down_revision = "20261125_03"
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
