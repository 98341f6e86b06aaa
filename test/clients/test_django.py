"""Django."""
import io
import os
import django

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import settings

for alias, user in (("news", "shop_news"), ("idle", "shop_idle")):
    settings.DATABASES[alias] = dict(settings.DATABASES["default"], USER=user)
settings.DATABASES["default"]["CONN_MAX_AGE"] = 600
django.setup()

from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import DatabaseError, DataError, IntegrityError, ProgrammingError, connection, connections, models, transaction
from checks import HINT, KEPT_BACK, MARKETING, SERVICE, Checks, raises, same
from purpose import purpose
from shop.models import Customer, MarketingCustomer

check = Checks("django")


class ServiceCustomer(models.Model):
    customer_id = models.BigAutoField(primary_key=True)
    name = models.TextField(null=True)
    email = models.TextField(null=True)
    phone = models.CharField(max_length=20, null=True)
    joined = Customer._meta.get_field("joined").clone()

    class Meta:
        app_label = "shop"
        managed = False
        db_table = '"service"."customer"'


class Purchase(models.Model):
    purchase_id = models.UUIDField(primary_key=True)
    customer = models.ForeignKey(Customer, models.DO_NOTHING)
    item = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        app_label = "shop"
        managed = False
        db_table = '"shop"."purchase"'


def ids(objects=Customer.objects):
    return list(objects.order_by("pk").values_list("pk", flat=True))


def code(e):
    return getattr(e.__cause__, "sqlstate", None) or e.__cause__.pgcode


def sql(query, values=None):
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()] if cursor.description else None


def service(function):
    with purpose("service"):
        return function()


@check.named("purpose")
def _():
    with purpose("marketing"):
        same(ids(), MARKETING)
    with purpose("service"):
        same(ids(), SERVICE)
    raises(ProgrammingError, ids)
    with transaction.atomic():
        raises(RuntimeError, lambda: purpose("service").__enter__())


@check
def role():
    same(ids(Customer.objects.using("news")), MARKETING)
    # a tool that reads a row of each table
    for database, name, found in (("default", "customer", False), ("news", "customer", True)):
        out = io.StringIO()
        with connections[database].cursor() as cursor:
            cursor.execute("SET search_path = shop")
        call_command("inspectdb", name, database=database, stdout=out)
        same("email = models." in out.getvalue(), found)
        connections[database].close()


@check
def view():
    same(ids(MarketingCustomer.objects), MARKETING)
    same(MarketingCustomer.objects.get(pk=2).name, "Name 2")
    same(MarketingCustomer.objects.filter(pk=6).first(), None)


@check
def create():
    new = Customer.objects.create(name="New", email="new@shop.example")
    same((new.pk, service(lambda: Customer.objects.get(pk=11)).joined is not None), (11, True))


@check
def read():
    with purpose("service"):
        same(Customer.objects.get(pk=7).name, "Name 7")
        same(ids(Customer.objects.filter(email__startswith="mail1")), [1, 10])
        same(Customer.objects.filter(pk__lte=10).count(), 10)
        same(list(Purchase.objects.filter(customer__name="Name 3").values_list("customer__name", "price")), [("Name 3", 30)])


@check
def update():
    def change():
        customer = Customer.objects.get(pk=2)
        customer.phone = "555-0"
        customer.save()
    service(change)
    same(service(lambda: Customer.objects.get(pk=2)).phone, "555-0")


@check
def delete():
    same(service(lambda: Customer.objects.filter(pk=11).first().delete()[0]), 1)
    same(service(lambda: Customer.objects.filter(pk=11).count()), 0)


@check
def upsert():
    with purpose("service"):
        one, made = Customer.objects.update_or_create(email="up@shop.example", defaults={"name": "One"})
        two, again = Customer.objects.update_or_create(email="up@shop.example", defaults={"name": "Two"})
        same((made, again, one.pk == two.pk, two.name), (True, False, True, "Two"))
        two.delete()
    with purpose("service"):
        query = """INSERT INTO shop.customer (name, email) VALUES (%s, 'up@shop.example')
            ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING name"""
        same(sql(query, ["One"]) + sql(query, ["Two"]), ["One", "Two"])
        Customer.objects.get(email="up@shop.example").delete()


@check
def returning():
    with purpose("service"):
        same([c.name for c in Customer.objects.raw("UPDATE shop.customer SET phone = phone WHERE customer_id = %s RETURNING *", [8])], ["Name 8"])


@check
def view_write():
    new = ServiceCustomer.objects.create(name="V", email="v@shop.example")
    new.phone = "1"
    new.save()
    again, made = ServiceCustomer.objects.update_or_create(email="v@shop.example", defaults={"name": "W"})
    same((again.pk, made, again.phone, again.joined is not None), (new.pk, False, "1", True))
    again.delete()
    same(ServiceCustomer.objects.filter(pk=new.pk).count(), 0)


@check
def masked_read():
    with purpose("marketing"):
        same(ids(Customer.objects.filter(email=None)), KEPT_BACK)
        same(Customer.objects.get(pk=4).email, None)


@check
def masked_write():
    def write(**how):
        with purpose("marketing"):
            customer = Customer.objects.get(pk=4)
            customer.name = "Name IV"
            customer.save(**how)
    same(code(raises(ProgrammingError, write)), "42501")
    four = service(lambda: Customer.objects.get(pk=4))
    same((four.name, four.email), ("Name 4", "mail4@shop.example"))
    write(update_fields=["name"])
    four = service(lambda: Customer.objects.get(pk=4))
    same((four.name, four.email), ("Name IV", "mail4@shop.example"))


@check
def hidden():
    six = service(lambda: Customer.objects.get(pk=6))
    six.name = "x"

    def save(**how):
        with purpose("marketing"):
            six.save(**how)
    with purpose("marketing"):
        same(Customer.objects.filter(pk=6).first(), None)
        same(Customer.objects.filter(pk=6).update(name="x"), 0)
    raises(IntegrityError, save)
    raises(DatabaseError, lambda: save(force_update=True))
    raises(DatabaseError, lambda: save(update_fields=["name"]))
    same(service(lambda: Customer.objects.get(pk=6)).name, "Name 6")


@check
def prepared():
    sql("PREPARE below(bigint) AS SELECT customer_id FROM shop.customer WHERE customer_id < $1")
    for i in range(14):
        for name, expected in (("marketing", 5), ("service", 10)):
            with purpose(name):
                same(len(sql("EXECUTE below(100)")), expected)
    same(sql("SELECT generic_plans > 0 FROM pg_prepared_statements WHERE name = 'below'"), [True])


@check
def partial():
    with purpose("marketing"):
        parts = Customer.objects.order_by("pk").iterator(chunk_size=2)
        got = [next(parts).pk]
        same(sql("SELECT count(*) FROM pg_cursors"), [1])
        sql("SELECT personalize.set_purpose('service')")
        got += [c.pk for c in parts]
        same(got, MARKETING)


@check
def pool():
    def request(work):
        """The connection is kept from request to request."""
        request_started.send(sender=None, environ={})
        try:
            return work()
        finally:
            request_finished.send(sender=None)

    def leave():
        transaction.set_autocommit(False)
        try:
            sql("SELECT personalize.set_purpose('service')")
            same(ids(), SERVICE)
            transaction.rollback()
        finally:
            transaction.set_autocommit(True)

    first = request(lambda: sql("SELECT pg_backend_pid()"))
    same(request(lambda: service(ids)), SERVICE)
    raises(ProgrammingError, lambda: request(ids))
    request(leave)
    raises(ProgrammingError, lambda: request(ids))
    raises(DataError, lambda: request(lambda: service(lambda: sql("SELECT 1 / 0"))))
    raises(ProgrammingError, lambda: request(ids))
    same(request(lambda: sql("SELECT pg_backend_pid()")), first)


@check
def pool_session():
    raises(ProgrammingError, lambda: sql("SET personalize.purpose = 'service'"))
    sql("SELECT set_config('personalize.purpose', 'service', false)")
    raises(ProgrammingError, ids)


@check
def error():
    e = raises(ProgrammingError, ids)
    same((code(e), e.__cause__.diag.message_hint.startswith(HINT)), ("42501", True))

    def refused():
        with purpose("service", using="idle"):
            ids(Customer.objects.using("idle"))
    same(code(raises(ProgrammingError, refused)), "42501")


@check
def types():
    from shop.every import Every
    row = Every.objects.get(pk=1)
    same((row.yes, row.tags, row.mood, str(row.bounded), row.fixed, row.bin, row.odd_exit_c_one, row.column_class),
         (False, ["a", "b"], "so so", "12345.678", "fix", {"b": 2}, "odd", "class"))
    row.odd_exit_c_one = "changed"
    row.save()
    made = Every.objects.create(plain="new")
    same([Every.objects.get(odd_exit_c_one="changed").pk, sql("SELECT twice FROM shop.every WHERE id = %s", [made.pk])], [1, ["newnew"]])
