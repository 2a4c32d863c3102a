from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE products (id serial PRIMARY KEY, name text NOT NULL)")
    op.execute("INSERT INTO products (name) VALUES ('tea'), ('coffee')")


def downgrade():
    op.execute("DROP TABLE products")
