"""psycopg2."""
import psycopg2
from psycopg2.errors import DivisionByZero, InsufficientPrivilege
from psycopg2.extras import RealDictCursor
from psycopg2.pool import SimpleConnectionPool
from checks import HINT, KEPT_BACK, MARKETING, SERVICE, Checks, raises, same
from purpose2 import purpose

check = Checks("psycopg2")
IDS = "SELECT customer_id FROM shop.customer ORDER BY customer_id"


def connect(user="shop_app", **options):
    return psycopg2.connect(dbname="shop", user=user, **options)


def ask(c, query, *values):
    """A transaction of its own."""
    with c, c.cursor() as cur:
        cur.execute(query, values)
        return [row[0] for row in cur.fetchall()]


def column(cur, query, *values):
    cur.execute(query, values)
    return [row[0] for row in cur.fetchall()]


def changed(cur, query, *values):
    cur.execute(query, values)
    return cur.rowcount


conn = connect()


def in_service(query, *values):
    with purpose(conn, "service"), conn.cursor(cursor_factory=RealDictCursor) as cur:
        cur.execute(query, values)
        return [dict(row) for row in cur.fetchall()]


@check.named("purpose")
def _():
    with purpose(conn, "marketing") as cur:
        same(column(cur, IDS), MARKETING)
    with purpose(conn, "service") as cur:
        same(column(cur, IDS), SERVICE)
    raises(InsufficientPrivilege, lambda: ask(conn, IDS))


@check
def role():
    same(ask(connect("shop_news"), IDS), MARKETING)


@check
def view():
    same(ask(conn, "SELECT customer_id FROM marketing.customer ORDER BY 1"), MARKETING)
    same(ask(conn, "SELECT customer_id FROM service.customer ORDER BY 1"), SERVICE)


@check
def create():
    same(ask(conn, "INSERT INTO shop.customer (name, email) VALUES (%s, %s) RETURNING customer_id", "New", "new@shop.example"), [11])
    same(in_service("SELECT joined IS NOT NULL AS there FROM shop.customer WHERE customer_id = 11"), [{"there": True}])


@check
def read():
    same(in_service("SELECT name FROM shop.customer WHERE customer_id = %s", 7), [{"name": "Name 7"}])
    same(in_service("SELECT customer_id FROM shop.customer WHERE email LIKE %s", "mail1%"), [{"customer_id": 1}, {"customer_id": 10}])
    same(in_service("SELECT count(*) AS n FROM shop.customer WHERE customer_id <= 10"), [{"n": 10}])
    same(in_service("SELECT c.name, p.price::integer FROM shop.customer AS c JOIN shop.purchase AS p USING (customer_id) WHERE c.customer_id = 3"),
         [{"name": "Name 3", "price": 30}])


@check
def update():
    with purpose(conn, "service") as cur:
        same(changed(cur, "UPDATE shop.customer SET phone = %s WHERE customer_id = %s", "555-0", 2), 1)
    same(in_service("SELECT phone FROM shop.customer WHERE customer_id = 2"), [{"phone": "555-0"}])


@check
def delete():
    with purpose(conn, "service") as cur:
        same(changed(cur, "DELETE FROM shop.customer WHERE email = %s", "new@shop.example"), 1)


UPSERT = "INSERT INTO {} (name, email) VALUES (%s, %s) ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING name"


@check
def upsert():
    with purpose(conn, "service") as cur:
        same(column(cur, UPSERT.format("shop.customer"), "One", "up@shop.example"), ["One"])
        same(column(cur, UPSERT.format("shop.customer"), "Two", "up@shop.example"), ["Two"])
        same(changed(cur, "DELETE FROM shop.customer WHERE email = 'up@shop.example'"), 1)


@check
def returning():
    with purpose(conn, "service") as cur:
        same(column(cur, "UPDATE shop.customer SET phone = phone WHERE customer_id IN (8, 9) RETURNING customer_id"), [8, 9])
        same(column(cur, "DELETE FROM shop.purchase WHERE customer_id = 10 RETURNING item"), ["lantern"])


@check
def view_write():
    with conn, conn.cursor() as cur:
        made = column(cur, "INSERT INTO service.customer (name, email) VALUES ('V', 'v@shop.example') RETURNING customer_id")[0]
        same(column(cur, "UPDATE service.customer SET phone = '1' WHERE customer_id = %s RETURNING joined IS NOT NULL", made), [True])
        same(column(cur, UPSERT.format("service.customer"), "W", "v@shop.example"), ["W"])
        same(changed(cur, "DELETE FROM service.customer WHERE customer_id = %s", made), 1)


@check
def masked_read():
    with purpose(conn, "marketing") as cur:
        same(column(cur, "SELECT customer_id FROM shop.customer WHERE email IS NULL ORDER BY 1"), KEPT_BACK)


@check
def masked_write():
    def write():
        with purpose(conn, "marketing"), conn.cursor(cursor_factory=RealDictCursor) as cur:
            cur.execute("SELECT * FROM shop.customer WHERE customer_id = 4")
            row = dict(cur.fetchone(), name="Changed")
            cur.execute("UPDATE shop.customer SET name = %(name)s, email = %(email)s, phone = %(phone)s WHERE customer_id = %(customer_id)s", row)
    same(raises(InsufficientPrivilege, write).pgcode, "42501")
    same(in_service("SELECT name, email FROM shop.customer WHERE customer_id = 4"), [{"name": "Name 4", "email": "mail4@shop.example"}])


@check
def hidden():
    with purpose(conn, "marketing") as cur:
        same(column(cur, "SELECT name FROM shop.customer WHERE customer_id = 6"), [])
        same(changed(cur, "UPDATE shop.customer SET name = 'x' WHERE customer_id = 6"), 0)
    same(in_service("SELECT name FROM shop.customer WHERE customer_id = 6"), [{"name": "Name 6"}])


@check
def prepared():
    with conn, conn.cursor() as cur:
        cur.execute("PREPARE below(bigint) AS SELECT customer_id FROM shop.customer WHERE customer_id < $1")
    for i in range(14):
        for name, expected in (("marketing", 5), ("service", 10)):
            with purpose(conn, name) as cur:
                same(len(column(cur, "EXECUTE below(%s)", 100)), expected)
    same(ask(conn, "SELECT generic_plans > 0 FROM pg_prepared_statements WHERE name = 'below'"), [True])


@check
def partial():
    with purpose(conn, "marketing") as cur, conn.cursor("parts") as parts:
        parts.itersize = 2
        parts.execute(IDS)
        got = parts.fetchmany(2)
        cur.execute("SELECT personalize.set_purpose('service')")
        got += parts.fetchall()
        same([row[0] for row in got], MARKETING)


def one_connection():
    return SimpleConnectionPool(1, 1, dbname="shop", user="shop_app")


def borrow(pool, work):
    c = pool.getconn()
    try:
        return work(c)
    finally:
        pool.putconn(c)


@check
def pool():
    one = one_connection()

    def serve(c):
        with purpose(c, "service") as cur:
            same(len(column(cur, IDS)), 10)
        return c.info.backend_pid

    def leave(c):
        """Goes back in the middle of a transaction."""
        c.cursor().execute("SELECT personalize.set_purpose('service')")

    def fail(c):
        with purpose(c, "service") as cur:
            cur.execute("SELECT 1 / 0")

    backend = borrow(one, serve)
    raises(InsufficientPrivilege, lambda: borrow(one, lambda c: ask(c, IDS)))
    borrow(one, leave)
    raises(InsufficientPrivilege, lambda: borrow(one, lambda c: ask(c, IDS)))
    raises(DivisionByZero, lambda: borrow(one, fail))
    raises(InsufficientPrivilege, lambda: borrow(one, lambda c: ask(c, IDS)))
    same(borrow(one, lambda c: c.info.backend_pid), backend)


@check
def pool_session():
    one = one_connection()
    raises(InsufficientPrivilege, lambda: borrow(one, lambda c: ask(c, "SET personalize.purpose = 'service'")))
    borrow(one, lambda c: ask(c, "SELECT set_config('personalize.purpose', 'service', false)"))
    raises(InsufficientPrivilege, lambda: borrow(one, lambda c: ask(c, IDS)))


@check
def error():
    e = raises(InsufficientPrivilege, lambda: ask(conn, IDS))
    same((e.pgcode, e.diag.message_hint.startswith(HINT)), ("42501", True))
    idle = connect("shop_idle")

    def refused():
        with purpose(idle, "service") as cur:
            cur.execute(IDS)
    same(raises(InsufficientPrivilege, refused).pgcode, "42501")


check.cannot("model", "has no models")
check.cannot("types", "has no models")
