"""What keeps the tables in shape: partitions, summaries, subscriptions, settings of busy tables."""

revision = "20261125_01"
down_revision = "20261124_07"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
