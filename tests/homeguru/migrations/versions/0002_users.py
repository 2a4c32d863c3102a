"""Users.

Revision ID: a1b2c3d40002
Revises: a1b2c3d40001
"""

import sqlalchemy as sa
from alembic import op

revision = "a1b2c3d40002"
down_revision = "a1b2c3d40001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("telegram_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_table("users")
