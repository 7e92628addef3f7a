"""Messages to people: invitations, what is due."""

revision = "20261125_03"
down_revision = "20261125_02"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
