// Drizzle, with node-postgres.
import { asc, eq, inArray, isNull, like, lte, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import * as core from "drizzle-orm/pg-core";
import pg from "pg";
import { DEFAULT, HINT, KEPT_BACK, MARKETING, SERVICE, checks, raises, same } from "./checks.mjs";
import { customer, marketingCustomer } from "./models.mjs";
import { forPurpose } from "./purpose.mjs";

const { check } = checks("drizzle");
const serviceCustomer = core.pgSchema("service").table("customer", {
	customer_id: core.bigint("customer_id", { mode: "bigint" }).primaryKey().generatedByDefaultAsIdentity(),
	name: core.text("name"),
	email: core.text("email"),
	phone: core.varchar("phone", { length: 20 }),
	joined: core.timestamp("joined", { withTimezone: true }).notNull().default(sql.raw("now()")),
});
const purchase = core.pgSchema("shop").table("purchase", {
	purchase_id: core.uuid("purchase_id").primaryKey(),
	customer_id: core.bigint("customer_id", { mode: "bigint" }),
	item: core.text("item"),
	price: core.numeric("price", { precision: 10, scale: 2 }),
});
const pools = [];
const connect = (user = "shop_app", more = {}) => {
	pools.push(new pg.Pool({ database: "shop", user, max: 1, ...more }));
	return drizzle(pools.at(-1));
};
const db = connect();
const state = (e) => (e.cause ?? e).code;
const refused = (work) => raises("42501", work, state);
const ids = async (d, from = customer) => (await d.select({ id: from.customer_id }).from(from).orderBy(asc(from.customer_id))).map((row) => Number(row.id));
const service = (work) => forPurpose(db, "service", work);
const marketing = (work) => forPurpose(db, "marketing", work);
const find = async (d, key, from = customer) => (await d.select().from(from).where(eq(from.customer_id, BigInt(key))))[0];
const nameAndMail = async (key) => {
	const { name, email } = await service((tx) => find(tx, key));
	return [name, email];
};

await check("purpose", async () => {
	same(await marketing((tx) => ids(tx)), MARKETING);
	same(await service((tx) => ids(tx)), SERVICE);
	await refused(() => ids(db));
	same(await marketing((tx) => tx.transaction((inner) => ids(inner))), MARKETING);
});

await check("role", async () => {
	same(await ids(connect("shop_news")), MARKETING);
	same(await ids(connect("shop_app", { options: "-c personalize.purpose=marketing" })), MARKETING);
});

await check("view", async () => {
	same(await ids(db, marketingCustomer), MARKETING);
	same((await find(db, 2, marketingCustomer)).name, "Name 2");
	same(await find(db, 6, marketingCustomer), undefined);
});

await check("create", async () => {
	const [made] = await db.insert(customer).values({ name: "New", email: "new@shop.example" }).returning();
	same([made.customer_id, made.joined instanceof Date], [11n, true]);
});

await check("read", () => service(async (tx) => {
	same((await find(tx, 7)).name, "Name 7");
	same(await tx.select({ id: customer.customer_id }).from(customer).where(like(customer.email, "mail1%")).orderBy(customer.customer_id), [{ id: 1n }, { id: 10n }]);
	same(await tx.$count(customer, lte(customer.customer_id, 10n)), 10);
	same(await tx.select({ name: customer.name, price: purchase.price }).from(customer).innerJoin(purchase, eq(purchase.customer_id, customer.customer_id))
		.where(eq(customer.customer_id, 3n)), [{ name: "Name 3", price: "30.00" }]);
}));

await check("update", async () => {
	same((await service((tx) => tx.update(customer).set({ phone: "555-0" }).where(eq(customer.customer_id, 2n)))).rowCount, 1);
	same((await service((tx) => find(tx, 2))).phone, "555-0");
});

await check("delete", async () => {
	same((await service((tx) => tx.delete(customer).where(eq(customer.customer_id, 11n)))).rowCount, 1);
	same(await service((tx) => find(tx, 11)), undefined);
});

const put = (d, into, name, email) => d.insert(into).values({ name, email }).onConflictDoUpdate({ target: into.email, set: { name } })
	.returning({ id: into.customer_id, name: into.name });

await check("upsert", () => service(async (tx) => {
	const [first] = await put(tx, customer, "One", "up@shop.example");
	const [second] = await put(tx, customer, "Two", "up@shop.example");
	same([first.name, second.name, first.id === second.id], ["One", "Two", true]);
	same((await tx.delete(customer).where(eq(customer.email, "up@shop.example"))).rowCount, 1);
}));

await check("returning", () => service(async (tx) => {
	same(await tx.update(customer).set({ phone: "555" }).where(inArray(customer.customer_id, [8n, 9n])).returning({ name: customer.name }),
		[{ name: "Name 8" }, { name: "Name 9" }]);
	same(await tx.delete(purchase).where(eq(purchase.customer_id, 10n)).returning({ item: purchase.item }), [{ item: "lantern" }]);
}));

await check("view_write", async () => {
	const [made] = await db.insert(serviceCustomer).values({ name: "V", email: "v@shop.example" }).returning();
	same(made.joined instanceof Date, true);
	const here = eq(serviceCustomer.customer_id, made.customer_id);
	same((await db.update(serviceCustomer).set({ phone: "1" }).where(here)).rowCount, 1);
	same(await put(db, serviceCustomer, "W", "v@shop.example"), [{ id: made.customer_id, name: "W" }]);
	same((await db.delete(serviceCustomer).where(here)).rowCount, 1);
});

await check("masked_read", () => marketing(async (tx) => {
	same((await tx.select({ id: customer.customer_id }).from(customer).where(isNull(customer.email)).orderBy(customer.customer_id)).map((row) => Number(row.id)), KEPT_BACK);
	same((await find(tx, 4)).email, null);
}));

await check("masked_write", async () => {
	await refused(() => marketing(async (tx) => {
		const { customer_id, ...rest } = await find(tx, 4);
		await tx.update(customer).set({ ...rest, name: "Changed" }).where(eq(customer.customer_id, customer_id));
	}));
	same(await nameAndMail(4), ["Name 4", "mail4@shop.example"]);
	await marketing((tx) => tx.update(customer).set({ name: "Name IV" }).where(eq(customer.customer_id, 4n)));
	same(await nameAndMail(4), ["Name IV", "mail4@shop.example"]);
});

await check("hidden", async () => {
	await marketing(async (tx) => {
		same(await find(tx, 6), undefined);
		same((await tx.update(customer).set({ name: "x" }).where(eq(customer.customer_id, 6n))).rowCount, 0);
	});
	same((await nameAndMail(6))[0], "Name 6");
});

await check("prepared", async () => {
	for (let i = 0; i < 14; i++) {
		for (const [name, expected] of [["marketing", 5], ["service", 10]]) {
			await forPurpose(db, name, async (tx) => {
				const below = tx.select({ id: customer.customer_id }).from(customer).where(lte(customer.customer_id, sql.placeholder("most"))).prepare("below");
				same((await below.execute({ most: 100n })).length, expected);
			});
		}
	}
	same((await db.execute(sql`SELECT generic_plans > 0 AND NOT from_sql AS planned FROM pg_prepared_statements WHERE name = 'below'`)).rows, [{ planned: true }]);
});

await check("partial", () => marketing(async (tx) => {
	await tx.execute(sql`DECLARE parts CURSOR FOR ${tx.select({ id: customer.customer_id }).from(customer).orderBy(customer.customer_id)}`);
	const got = (await tx.execute(sql`FETCH 2 FROM parts`)).rows;
	await tx.execute(sql`SELECT personalize.set_purpose('service')`);
	got.push(...(await tx.execute(sql`FETCH ALL FROM parts`)).rows);
	same(got.map((row) => Number(row.customer_id)), MARKETING);
}));

await check("pool", async () => {
	const one = connect();
	// in transactions: pool.query() throws a connection away after an error, these do not
	const backend = () => one.transaction(async (tx) => (await tx.execute(sql`SELECT pg_backend_pid() AS pid`)).rows[0].pid);
	const none = () => refused(() => one.transaction((tx) => ids(tx)));
	const first = await backend();
	same(await forPurpose(one, "service", (tx) => ids(tx)), SERVICE);
	await none();
	await raises("left", () => forPurpose(one, "service", async (tx) => {
		same(await ids(tx), SERVICE);
		throw Object.assign(new Error("left"), { code: "left" });
	}));
	await none();
	await raises("22012", () => forPurpose(one, "service", (tx) => tx.execute(sql`SELECT 1 / 0`)), state);
	await none();
	same(await backend(), first);
});

await check("pool_session", async () => {
	const one = connect();
	await refused(() => one.execute(sql`SET personalize.purpose = 'service'`));
	await one.execute(sql`SELECT set_config('personalize.purpose', 'service', false)`);
	await refused(() => ids(one));
});

await check("error", async () => {
	const e = await refused(() => ids(db));
	same([e.cause instanceof pg.DatabaseError, e.cause.hint.startsWith(HINT)], [true, true]);
	const idle = connect("shop_idle");
	await refused(() => forPurpose(idle, "service", (tx) => ids(tx)));
});

await check("types", async () => {
	const { every } = await import("./every.mjs");
	const odd = "odd_exit_c_one";
	const [row] = await db.select().from(every).where(eq(every.id, 1));
	same([row.yes, row.tags, row.mood, row.bounded, row.fixed, row.doc, row[odd], row.column_class, row.twice],
		[false, ["a", "b"], "so so", "12345.678", "fix", { a: 1 }, "odd", "class", "plainplain"]);
	await db.update(every).set({ [odd]: "changed" }).where(eq(every.id, 1));
	same(await db.select({ id: every.id }).from(every).where(eq(every[odd], "changed")), [{ id: 1 }]);
	const [made] = await db.insert(every).values({ plain: "new" }).returning();
	same([made.twice, made.column_class], ["newnew", DEFAULT]);
});

await Promise.all(pools.map((pool) => pool.end()));
