"""psycopg 3."""
import psycopg
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from checks import HINT, KEPT_BACK, MARKETING, SERVICE, Checks, raises, same
from purpose import purpose

check = Checks("psycopg")
IDS = "SELECT customer_id FROM shop.customer ORDER BY customer_id"


def connect(user="shop_app", **options):
    return psycopg.connect(dbname="shop", user=user, autocommit=True, **options)


def column(conn, query, *values):
    return [row[0] for row in conn.execute(query, values)]


conn = connect()


def in_service(query, *values):
    with purpose(conn, "service"):
        return conn.cursor(row_factory=dict_row).execute(query, values).fetchall()


@check.named("purpose")
def _():
    with purpose(conn, "marketing"):
        same(column(conn, IDS), MARKETING)
    with purpose(conn, "service"):
        same(column(conn, IDS), SERVICE)
    raises(InsufficientPrivilege, lambda: conn.execute(IDS))
    # the server reports it, to whoever looks, such as poolers
    with purpose(conn, "service"):
        same(conn.info.parameter_status("personalize.purpose"), "service")
    same(conn.info.parameter_status("personalize.purpose"), "")
    # several statements on their way at once, of two transactions
    with conn.pipeline():
        found = []
        for name in ("marketing", "service", "marketing"):
            with purpose(conn, name):
                found.append(conn.execute(IDS))
        same([[row[0] for row in cur.fetchall()] for cur in found], [MARKETING, SERVICE, MARKETING])


@check
def role():
    with connect("shop_news") as other:
        same(column(other, IDS), MARKETING)


@check
def view():
    same(column(conn, "SELECT customer_id FROM marketing.customer ORDER BY 1"), MARKETING)
    same(column(conn, "SELECT customer_id FROM service.customer ORDER BY 1"), SERVICE)


@check
def create():
    made = conn.execute("INSERT INTO shop.customer (name, email) VALUES (%s, %s) RETURNING customer_id, joined", ("New", "new@shop.example")).fetchone()
    same(made[0], 11)
    same(made[1] is not None, True)


@check
def read():
    same(in_service("SELECT name FROM shop.customer WHERE customer_id = %s", 7), [{"name": "Name 7"}])
    same(in_service("SELECT customer_id FROM shop.customer WHERE email LIKE %s", "mail1%"), [{"customer_id": 1}, {"customer_id": 10}])
    same(in_service("SELECT count(*) AS n FROM shop.customer WHERE customer_id <= 10"), [{"n": 10}])
    same(in_service("SELECT c.name, p.price::integer FROM shop.customer AS c JOIN shop.purchase AS p USING (customer_id) WHERE c.customer_id = 3"),
         [{"name": "Name 3", "price": 30}])
    for name, expected in (("marketing", MARKETING), ("service", SERVICE)):
        with purpose(conn, name), conn.cursor().copy(f"COPY ({IDS}) TO STDOUT") as rows:
            same([int(row[0]) for row in rows.rows()][:10], expected)

    def copy():
        with conn.cursor().copy(f"COPY ({IDS}) TO STDOUT") as rows:
            list(rows.rows())
    raises(InsufficientPrivilege, copy)


@check
def update():
    with purpose(conn, "service"):
        same(conn.execute("UPDATE shop.customer SET phone = %s WHERE customer_id = %s", ("555-0", 2)).rowcount, 1)
    same(in_service("SELECT phone FROM shop.customer WHERE customer_id = 2"), [{"phone": "555-0"}])


@check
def delete():
    with purpose(conn, "service"):
        same(conn.execute("DELETE FROM shop.customer WHERE email = %s", ("new@shop.example",)).rowcount, 1)


UPSERT = "INSERT INTO {} (name, email) VALUES (%s, %s) ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING name, customer_id"


@check
def upsert():
    with purpose(conn, "service"):
        first = conn.execute(UPSERT.format("shop.customer"), ("One", "up@shop.example")).fetchone()
        second = conn.execute(UPSERT.format("shop.customer"), ("Two", "up@shop.example")).fetchone()
        same((first[0], second[0], first[1] == second[1]), ("One", "Two", True))
        conn.execute("DELETE FROM shop.customer WHERE email = 'up@shop.example'")


@check
def returning():
    with purpose(conn, "service"):
        same(column(conn, "UPDATE shop.customer SET phone = phone WHERE customer_id IN (8, 9) RETURNING customer_id"), [8, 9])
        same(column(conn, "DELETE FROM shop.purchase WHERE customer_id = 10 RETURNING item"), ["lantern"])


@check
def view_write():
    made = conn.execute("INSERT INTO service.customer (name, email) VALUES ('V', 'v@shop.example') RETURNING customer_id, joined").fetchone()
    same(made[1] is not None, True)
    same(conn.execute("UPDATE service.customer SET phone = '1' WHERE customer_id = %s", (made[0],)).rowcount, 1)
    same(conn.execute(UPSERT.format("service.customer"), ("W", "v@shop.example")).fetchone(), ("W", made[0]))
    same(conn.execute("DELETE FROM service.customer WHERE customer_id = %s", (made[0],)).rowcount, 1)


@check
def masked_read():
    with purpose(conn, "marketing"):
        same(column(conn, "SELECT customer_id FROM shop.customer WHERE email IS NULL ORDER BY 1"), KEPT_BACK)


@check
def masked_write():
    def write():
        with purpose(conn, "marketing"):
            row = conn.cursor(row_factory=dict_row).execute("SELECT * FROM shop.customer WHERE customer_id = 4").fetchone()
            row["name"] = "Changed"
            conn.execute("UPDATE shop.customer SET name = %(name)s, email = %(email)s, phone = %(phone)s WHERE customer_id = %(customer_id)s", row)
    same(raises(InsufficientPrivilege, write).sqlstate, "42501")
    same(in_service("SELECT name, email FROM shop.customer WHERE customer_id = 4"), [{"name": "Name 4", "email": "mail4@shop.example"}])


@check
def hidden():
    with purpose(conn, "marketing"):
        same(column(conn, "SELECT name FROM shop.customer WHERE customer_id = 6"), [])
        same(conn.execute("UPDATE shop.customer SET name = 'x' WHERE customer_id = 6").rowcount, 0)
    same(in_service("SELECT name FROM shop.customer WHERE customer_id = 6"), [{"name": "Name 6"}])


@check
def prepared():
    for i in range(14):
        for name, expected in (("marketing", 5), ("service", 10)):
            with purpose(conn, name):
                found = conn.execute("SELECT customer_id FROM shop.customer WHERE customer_id < %s", (100,), prepare=True).fetchall()
                same(len(found), expected)
    same(column(conn, "SELECT generic_plans > 0 FROM pg_prepared_statements WHERE statement LIKE %s", "SELECT customer_id%"), [True])


@check
def partial():
    with purpose(conn, "marketing"), conn.cursor("parts") as parts:
        parts.execute(IDS)
        got = parts.fetchmany(2)
        conn.execute("SELECT personalize.set_purpose('service')")
        got += parts.fetchall()
        same([row[0] for row in got], MARKETING)


@check
def pool():
    with ConnectionPool("dbname=shop user=shop_app", min_size=1, max_size=1, kwargs={"autocommit": True}) as one:
        def borrow():
            with one.connection() as c:
                c.execute(IDS)

        def fail():
            with one.connection() as c, purpose(c, "service"):
                c.execute("SELECT 1 / 0")

        with one.connection() as c, purpose(c, "service"):
            same(len(column(c, IDS)), 10)
            backend = c.info.backend_pid
        raises(InsufficientPrivilege, borrow)
        with one.connection() as c, c.transaction(force_rollback=True):
            c.execute("SELECT personalize.set_purpose('service')")
        raises(InsufficientPrivilege, borrow)
        raises(psycopg.errors.DivisionByZero, fail)
        raises(InsufficientPrivilege, borrow)
        with one.connection() as c:
            same(c.info.backend_pid, backend)


@check
def pool_session():
    with ConnectionPool("dbname=shop user=shop_app", min_size=1, max_size=1, kwargs={"autocommit": True}) as one:
        with one.connection() as c:
            raises(InsufficientPrivilege, lambda: c.execute("SET personalize.purpose = 'service'"))
            c.execute("SELECT set_config('personalize.purpose', 'service', false)")
        with one.connection() as c:
            raises(InsufficientPrivilege, lambda: c.execute(IDS))


@check
def error():
    e = raises(InsufficientPrivilege, lambda: conn.execute(IDS))
    same((e.sqlstate, e.diag.message_hint.startswith(HINT)), ("42501", True))
    with connect("shop_idle") as other:
        def ask():
            with purpose(other, "service"):
                other.execute(IDS)
        same(raises(InsufficientPrivilege, ask).sqlstate, "42501")


check.cannot("model", "has no models")
check.cannot("types", "has no models")
