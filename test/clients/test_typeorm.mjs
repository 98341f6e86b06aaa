// TypeORM.
import "reflect-metadata";
import { DataSource, EntitySchema, In, IsNull, LessThanOrEqual, Like, QueryFailedError } from "typeorm";
import { DEFAULT, HINT, KEPT_BACK, MARKETING, SERVICE, checks, raises, same } from "./checks.mjs";
import { Customer, MarketingCustomer } from "./models.mjs";
import { forPurpose } from "./purpose.mjs";

const { check } = checks("typeorm");
const ServiceCustomer = new EntitySchema({ ...Customer.options, name: "ServiceCustomer", schema: "service" });
const Purchase = new EntitySchema({
	name: "Purchase",
	schema: "shop",
	tableName: "purchase",
	columns: {
		purchase_id: { type: "uuid", primary: true },
		item: { type: "text" },
		price: { type: "numeric", precision: 10, scale: 2 },
	},
	relations: { customer: { type: "many-to-one", target: "Customer", joinColumn: { name: "customer_id" } } },
});
const open = [];
async function connect(username = "shop_app", extra = {}) {
	const source = new DataSource({ type: "postgres", database: "shop", username, host: process.env.PGHOST, port: process.env.PGPORT,
		poolSize: 1, extra, entities: [Customer, MarketingCustomer, ServiceCustomer, Purchase] });
	open.push(await source.initialize());
	return source;
}
const db = await connect();
const refused = (work) => raises("42501", work);
const ids = async (manager, entity = Customer, where = {}) =>
	(await manager.find(entity, { select: { customer_id: true }, where, order: { customer_id: "ASC" } })).map((c) => Number(c.customer_id));
const service = (work) => forPurpose(db, "service", work);
const marketing = (work) => forPurpose(db, "marketing", work);
const find = (manager, key, entity = Customer) => manager.findOneBy(entity, { customer_id: key });
const nameAndMail = async (key) => {
	const { name, email } = await service((m) => find(m, key));
	return [name, email];
};

await check("purpose", async () => {
	same(await marketing((m) => ids(m)), MARKETING);
	same(await service((m) => ids(m)), SERVICE);
	await refused(() => ids(db.manager));
	same(await marketing((m) => m.transaction((inner) => ids(inner))), MARKETING);
});

await check("role", async () => {
	same(await ids((await connect("shop_news")).manager), MARKETING);
	same(await ids((await connect("shop_app", { options: "-c personalize.purpose=marketing" })).manager), MARKETING);
});

await check("view", async () => {
	same(await ids(db.manager, MarketingCustomer), MARKETING);
	same((await find(db.manager, 2, MarketingCustomer)).name, "Name 2");
	same(await find(db.manager, 6, MarketingCustomer), null);
});

await check("create", async () => {
	const made = await db.manager.save(Customer, { name: "New", email: "new@shop.example" });
	same([made.customer_id, made.joined instanceof Date], ["11", true]);
});

await check("read", () => service(async (m) => {
	same((await find(m, 7)).name, "Name 7");
	same(await ids(m, Customer, { email: Like("mail1%") }), [1, 10]);
	same(await m.countBy(Customer, { customer_id: LessThanOrEqual(10) }), 10);
	same((await m.find(Purchase, { relations: { customer: true }, where: { customer: { name: "Name 3" } } })).map((p) => [p.customer.name, p.price]),
		[["Name 3", "30.00"]]);
}));

await check("update", async () => {
	await service(async (m) => {
		const two = await find(m, 2);
		two.phone = "555-0";
		await m.save(Customer, two);
	});
	same((await service((m) => find(m, 2))).phone, "555-0");
});

await check("delete", async () => {
	await service(async (m) => m.remove(Customer, await find(m, 11)));
	same(await service((m) => find(m, 11)), null);
});

const put = async (m, entity, name) => (await m.upsert(entity, { name, email: "up@shop.example" }, ["email"])).identifiers[0].customer_id;

await check("upsert", () => service(async (m) => {
	const key = await put(m, Customer, "One");
	same([(await find(m, key)).name, await put(m, Customer, "Two"), (await find(m, key)).name], ["One", key, "Two"]);
	same((await m.delete(Customer, { email: "up@shop.example" })).affected, 1);
}));

await check("returning", () => service(async (m) => {
	const made = await m.createQueryBuilder().update(Customer).set({ phone: "555" }).where({ customer_id: In([8, 9]) }).returning("name").execute();
	same(made.raw, [{ name: "Name 8" }, { name: "Name 9" }]);
}));

await check("view_write", async () => {
	const m = db.manager;
	const made = await m.save(ServiceCustomer, { name: "V", email: "up@shop.example" });
	same(made.joined instanceof Date, true);
	made.phone = "1";
	await m.save(ServiceCustomer, made);
	same(await put(m, ServiceCustomer, "W"), made.customer_id);
	const again = await find(m, made.customer_id, ServiceCustomer);
	same([again.name, again.phone], ["W", "1"]);
	same((await m.delete(ServiceCustomer, { customer_id: made.customer_id })).affected, 1);
	same(await find(m, made.customer_id, ServiceCustomer), null);
});

await check("masked_read", () => marketing(async (m) => {
	same(await ids(m, Customer, { email: IsNull() }), KEPT_BACK);
	same((await find(m, 4)).email, null);
}));

await check("masked_write", async () => {
	await refused(() => marketing(async (m) => {
		const { customer_id, ...rest } = await find(m, 4);
		await m.update(Customer, { customer_id }, { ...rest, name: "Changed" });
	}));
	same(await nameAndMail(4), ["Name 4", "mail4@shop.example"]);
	await marketing(async (m) => m.save(Customer, { ...(await find(m, 4)), name: "Name IV" }));
	same(await nameAndMail(4), ["Name IV", "mail4@shop.example"]);
});

await check("hidden", async () => {
	const six = await service((m) => find(m, 6));
	await marketing(async (m) => {
		same(await find(m, 6), null);
		same((await m.update(Customer, { customer_id: 6 }, { name: "x" })).affected, 0);
	});
	await raises("23505", () => marketing((m) => m.save(Customer, { ...six, name: "x" })));
	same((await nameAndMail(6))[0], "Name 6");
});

await check("prepared", async () => {
	// TypeORM prepares nothing by itself
	await db.query("PREPARE below(bigint) AS SELECT customer_id FROM shop.customer WHERE customer_id < $1");
	for (let i = 0; i < 14; i++) {
		for (const [name, expected] of [["marketing", 5], ["service", 10]]) {
			same((await forPurpose(db, name, (m) => m.query("EXECUTE below(100)"))).length, expected);
		}
	}
	same(await db.query("SELECT generic_plans > 0 AS planned FROM pg_prepared_statements WHERE name = 'below'"), [{ planned: true }]);
});

await check("partial", () => marketing(async (m) => {
	await m.query(`DECLARE parts CURSOR FOR ${m.createQueryBuilder(Customer, "c").select("c.customer_id", "id").orderBy("c.customer_id").getQuery()}`);
	const got = await m.query("FETCH 2 FROM parts");
	await m.query("SELECT personalize.set_purpose('service')");
	got.push(...(await m.query("FETCH ALL FROM parts")));
	same(got.map((row) => Number(row.id)), MARKETING);
}));

await check("pool", async () => {
	const one = await connect();
	const backend = async () => (await one.query("SELECT pg_backend_pid() AS pid"))[0].pid;
	const first = await backend();
	same(await forPurpose(one, "service", (m) => ids(m)), SERVICE);
	await refused(() => ids(one.manager));
	await raises("left", () => forPurpose(one, "service", async (m) => {
		same(await ids(m), SERVICE);
		throw Object.assign(new Error("left"), { code: "left" });
	}));
	await refused(() => ids(one.manager));
	await raises("22012", () => forPurpose(one, "service", (m) => m.query("SELECT 1 / 0")));
	await refused(() => ids(one.manager));
	same(await backend(), first);
});

await check("pool_session", async () => {
	const one = await connect();
	await refused(() => one.query("SET personalize.purpose = 'service'"));
	await one.query("SELECT set_config('personalize.purpose', 'service', false)");
	await refused(() => ids(one.manager));
});

await check("error", async () => {
	const e = await refused(() => ids(db.manager));
	same([e instanceof QueryFailedError, e.driverError.hint.startsWith(HINT)], [true, true]);
	const idle = await connect("shop_idle");
	await refused(() => forPurpose(idle, "service", (m) => ids(m)));
});

await check("types", async () => {
	const { Every } = await import("./every.mjs");
	const source = await new DataSource({ ...db.options, entities: [Every] }).initialize();
	open.push(source);
	const odd = "odd_exit_c_one";
	const row = await source.manager.findOneBy(Every, { id: 1 });
	same([row.yes, row.tags, row.mood, row.bounded, row.fixed, row.doc, row[odd], row.column_class, row.twice],
		[false, ["a", "b"], "so so", "12345.678", "fix", { a: 1 }, "odd", "class", "plainplain"]);
	await source.manager.save(Every, { ...row, [odd]: "changed" });
	same((await source.manager.findOneBy(Every, { [odd]: "changed" })).id, 1);
	const { id } = await source.manager.save(Every, { plain: "new" });
	const made = await source.manager.findOneBy(Every, { id });
	same([made.twice, made.column_class], ["newnew", DEFAULT]);
});

await Promise.all(open.map((source) => source.destroy()));
