"""SQLAlchemy, with psycopg2."""
from sqlalchemy import create_engine, delete as delete_, func, select, text, update as update_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError
from checks import DEFAULT, HINT, KEPT_BACK, MARKETING, SERVICE, Checks, raises, same
from models import Base, Customer, MarketingCustomer
import sqlalchemy as sa
import purpose as _purpose

check = Checks("sqlalchemy")
IDS = select(Customer.customer_id).order_by(Customer.customer_id)


class ServiceCustomer(Base):
    __tablename__ = "customer"
    __table_args__ = {"schema": "service"}
    customer_id = sa.Column(sa.BigInteger, primary_key=True)
    name = sa.Column(sa.Text)
    email = sa.Column(sa.Text)
    phone = sa.Column(sa.String(20))
    joined = sa.Column(sa.DateTime(timezone=True), nullable=False, server_default=sa.FetchedValue())


class Purchase(Base):
    __tablename__ = "purchase"
    __table_args__ = {"schema": "shop"}
    purchase_id = sa.Column(sa.Text, primary_key=True)
    customer_id = sa.Column(sa.BigInteger)
    item = sa.Column(sa.Text)
    price = sa.Column(sa.Numeric(10, 2))


def connect(user="shop_app"):
    return create_engine(f"postgresql+psycopg2://{user}@/shop", pool_size=1, max_overflow=0)


engine = connect()


def session_for(name, of=engine):
    return Session(of, info={"purpose": name} if name else {})


def ids(name, of=engine):
    with session_for(name, of) as s:
        return s.scalars(IDS).all()


def name_and_mail(key):
    with session_for("service") as s:
        c = s.get(Customer, key)
        return c.name, c.email


@check
def purpose():
    same(ids("marketing"), MARKETING)
    same(ids("service"), SERVICE)
    raises(ProgrammingError, lambda: ids(None))
    with session_for("marketing") as s:
        same(s.scalars(IDS).all(), MARKETING)
        s.commit()
        same(s.scalars(IDS).all(), MARKETING)


@check
def role():
    same(ids(None, connect("shop_news")), MARKETING)


@check
def view():
    with session_for(None) as s:
        same(s.scalars(select(MarketingCustomer.customer_id).order_by(MarketingCustomer.customer_id)).all(), MARKETING)
        same(s.get(MarketingCustomer, 2).name, "Name 2")
        same(s.get(MarketingCustomer, 6), None)


@check
def create():
    with session_for("service") as s:
        new = Customer(name="New", email="new@shop.example")
        s.add(new)
        s.commit()
        same((new.customer_id, new.joined is not None), (11, True))


@check
def read():
    with session_for("service") as s:
        same(s.get(Customer, 7).name, "Name 7")
        same(s.scalars(IDS.where(Customer.email.like("mail1%"))).all(), [1, 10])
        same(s.scalar(select(func.count()).select_from(Customer).where(Customer.customer_id <= 10)), 10)
        same(s.execute(select(Customer.name, Purchase.price).join(Purchase, Purchase.customer_id == Customer.customer_id)
                       .where(Customer.customer_id == 3)).all(), [("Name 3", 30)])


@check
def update():
    with session_for("service") as s:
        s.get(Customer, 2).phone = "555-0"
        s.commit()
        same(s.get(Customer, 2).phone, "555-0")


@check
def delete():
    with session_for("service") as s:
        s.delete(s.get(Customer, 11))
        s.commit()
        same(s.get(Customer, 11), None)


def put(model, name, email):
    new = insert(model).values(name=name, email=email)
    return new.on_conflict_do_update(index_elements=["email"], set_={"name": new.excluded.name}).returning(model.name, model.customer_id)


@check
def upsert():
    with session_for("service") as s:
        first = s.execute(put(Customer, "One", "up@shop.example")).one()
        second = s.execute(put(Customer, "Two", "up@shop.example")).one()
        same((first[0], second[0], first[1] == second[1]), ("One", "Two", True))
        s.execute(delete_(Customer).where(Customer.email == "up@shop.example"))
        s.commit()


@check
def returning():
    with session_for("service") as s:
        same(s.execute(update_(Customer).where(Customer.customer_id == 8).values(phone="555-8").returning(Customer.name)
                       .execution_options(synchronize_session=False)).all(), [("Name 8",)])


@check
def view_write():
    with session_for(None) as s:
        new = ServiceCustomer(name="V", email="v@shop.example")
        s.add(new)
        s.commit()
        key = new.customer_id
        same(new.joined is not None, True)
        new.phone = "1"
        s.commit()
        same(s.execute(put(ServiceCustomer, "W", "v@shop.example")).one(), ("W", key))
        s.commit()
        s.delete(s.get(ServiceCustomer, key))
        s.commit()
        same(s.get(ServiceCustomer, key), None)


@check
def masked_read():
    with session_for("marketing") as s:
        same(s.scalars(IDS.where(Customer.email.is_(None))).all(), KEPT_BACK)
        same(s.get(Customer, 4).email, None)


@check
def masked_write():
    with session_for("marketing") as s:
        c = s.get(Customer, 4)
        c.name = "Changed"
        for column in ("email", "phone"):
            flag_modified(c, column)
        e = raises(ProgrammingError, s.commit)
        same(e.orig.pgcode, "42501")
        s.rollback()
    same(name_and_mail(4), ("Name 4", "mail4@shop.example"))
    with session_for("marketing") as s:
        s.get(Customer, 4).name = "Name IV"
        s.commit()
    same(name_and_mail(4), ("Name IV", "mail4@shop.example"))


@check
def hidden():
    with session_for("service") as s:
        six = s.get(Customer, 6)
    with session_for("marketing") as s:
        same(s.get(Customer, 6), None)
        same(s.execute(update_(Customer).where(Customer.customer_id == 6).values(name="x").execution_options(synchronize_session=False)).rowcount, 0)
        s.rollback()
        s.add(six)
        six.name = "x"
        raises(StaleDataError, s.commit)
    same(name_and_mail(6)[0], "Name 6")


@check
def prepared():
    with session_for(None) as s:
        s.execute(text("PREPARE below(bigint) AS SELECT customer_id FROM shop.customer WHERE customer_id < $1"))
        s.commit()
    for i in range(14):
        for name, expected in (("marketing", 5), ("service", 10)):
            with session_for(name) as s:
                same(len(s.execute(text("EXECUTE below(100)")).all()), expected)
    with session_for(None) as s:
        same(s.scalar(text("SELECT generic_plans > 0 FROM pg_prepared_statements WHERE name = 'below'")), True)


@check
def partial():
    with session_for("marketing") as s:
        parts = s.connection().execution_options(stream_results=True, max_row_buffer=2).execute(IDS)
        got = parts.fetchmany(2)
        s.execute(text("SELECT personalize.set_purpose('service')"))
        got += parts.fetchall()
        same([row[0] for row in got], MARKETING)


@check
def pool():
    one = connect()

    def backend(of):
        with session_for(None, of) as s:
            return s.scalar(text("SELECT pg_backend_pid()"))

    def fail():
        with session_for("service", one) as s:
            s.execute(text("SELECT 1 / 0"))

    first = backend(one)
    with session_for("service", one) as s:
        same(s.scalars(IDS).all(), SERVICE)
        s.commit()
    raises(ProgrammingError, lambda: ids(None, one))
    with session_for("service", one) as s:
        same(s.scalars(IDS).all(), SERVICE)
        s.rollback()
    raises(ProgrammingError, lambda: ids(None, one))
    raises(DBAPIError, fail)
    raises(ProgrammingError, lambda: ids(None, one))
    same(backend(one), first)


@check
def pool_session():
    one = connect()
    with session_for(None, one) as s:
        raises(ProgrammingError, lambda: s.execute(text("SET personalize.purpose = 'service'")))
        s.rollback()
        s.execute(text("SELECT set_config('personalize.purpose', 'service', false)"))
        s.commit()
    raises(ProgrammingError, lambda: ids(None, one))


@check
def error():
    e = raises(ProgrammingError, lambda: ids(None))
    same((e.orig.pgcode, e.orig.diag.message_hint.startswith(HINT)), ("42501", True))
    same(raises(ProgrammingError, lambda: ids("service", connect("shop_idle"))).orig.pgcode, "42501")


@check
def types():
    from every import Every
    with session_for(None) as s:
        row = s.get(Every, 1)
        same((row.yes, row.tags, row.mood, str(row.bounded), row.fixed, row.doc, row.odd_exit_c_one, row.column_class, row.twice),
             (False, ["a", "b"], "so so", "12345.678", "fix", {"a": 1}, "odd", "class", "plainplain"))
        row.odd_exit_c_one = "changed"
        made = Every(plain="new")
        s.add(made)
        s.commit()
        same((s.scalar(select(Every.id).where(Every.odd_exit_c_one == "changed")), made.twice, made.column_class),
             (1, "newnew", DEFAULT))
