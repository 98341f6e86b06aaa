// Prisma, with its adapter for node-postgres.
import { createHash } from "node:crypto";
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "./client/index.js";
import { DEFAULT, HINT, KEPT_BACK, MARKETING, SERVICE, checks, raises, same } from "./checks.mjs";
import { forPurpose, withPurpose } from "./purpose.mjs";

const { check } = checks("prisma");
const open = [];
function connect(user = "shop_app", more = {}) {
	open.push(new PrismaClient({ adapter: new PrismaPg({ database: "shop", user, max: 1, ...more }) }));
	return open.at(-1);
}
const db = connect();
const cause = (e) => e.meta?.driverAdapterError?.cause;
const state = (e) => cause(e)?.originalCode ?? e.code;
const refused = (work) => raises("42501", work, state);
const ids = async (model, where = {}) => (await model.findMany({ select: { customer_id: true }, where, orderBy: { customer_id: "asc" } })).map((c) => Number(c.customer_id));
const service = (work) => forPurpose(db, "service", work);
const marketing = (work) => forPurpose(db, "marketing", work);
const find = (model, key) => model.findUnique({ where: { customer_id: key } });
const nameAndMail = async (key) => {
	const { name, email } = await service((tx) => find(tx.customer, key));
	return [name, email];
};

await check("purpose", async () => {
	same(await marketing((tx) => ids(tx.customer)), MARKETING);
	same(await service((tx) => ids(tx.customer)), SERVICE);
	same(await ids(withPurpose(db, "marketing").customer), MARKETING);
	await refused(() => ids(db.customer));
});

await check("role", async () => {
	same(await ids(connect("shop_news").customer), MARKETING);
	same(await ids(connect("shop_app", { options: "-c personalize.purpose=marketing" }).customer), MARKETING);
});

await check("view", async () => {
	same(await ids(db.marketingCustomer), MARKETING);
	same((await find(db.marketingCustomer, 2)).name, "Name 2");
	same(await find(db.marketingCustomer, 6), null);
});

await check("create", async () => {
	const made = await db.customer.create({ data: { name: "New", email: "new@shop.example" } });
	same([made.customer_id, made.joined instanceof Date], [11n, true]);
});

await check("read", () => service(async (tx) => {
	same((await find(tx.customer, 7)).name, "Name 7");
	same(await ids(tx.customer, { email: { startsWith: "mail1" } }), [1, 10]);
	same(await tx.customer.count({ where: { customer_id: { lte: 10 } } }), 10);
	const found = await tx.purchase.findMany({ include: { customer: true }, where: { customer: { name: "Name 3" } } });
	same(found.map((p) => [p.customer.name, p.price.toFixed(2)]), [["Name 3", "30.00"]]);
}));

await check("update", async () => {
	await service((tx) => tx.customer.update({ where: { customer_id: 2 }, data: { phone: "555-0" } }));
	same((await service((tx) => find(tx.customer, 2))).phone, "555-0");
});

await check("delete", async () => {
	await service((tx) => tx.customer.delete({ where: { customer_id: 11 } }));
	same(await service((tx) => find(tx.customer, 11)), null);
});

const put = (model, name) => model.upsert({ where: { email: "up@shop.example" }, create: { name, email: "up@shop.example" }, update: { name } });

await check("upsert", () => service(async (tx) => {
	const first = await put(tx.customer, "One");
	const second = await put(tx.customer, "Two");
	same([first.name, second.name, first.customer_id === second.customer_id], ["One", "Two", true]);
	same((await tx.customer.deleteMany({ where: { email: "up@shop.example" } })).count, 1);
}));

await check("returning", () => service(async (tx) => {
	const rows = await tx.customer.updateManyAndReturn({ where: { customer_id: { in: [8, 9] } }, data: { phone: "555" } });
	same(rows.map((c) => c.name), ["Name 8", "Name 9"]);
}));

await check("view_write", async () => {
	const made = await db.serviceCustomer.create({ data: { name: "V", email: "up@shop.example" } });
	const where = { customer_id: made.customer_id };
	same(made.joined instanceof Date, true);
	await db.serviceCustomer.update({ where, data: { phone: "1" } });
	const again = await put(db.serviceCustomer, "W");
	same([again.customer_id === made.customer_id, again.name, again.phone], [true, "W", "1"]);
	await db.serviceCustomer.delete({ where });
	same(await db.serviceCustomer.findUnique({ where }), null);
});

await check("masked_read", () => marketing(async (tx) => {
	same(await ids(tx.customer, { email: null }), KEPT_BACK);
	same((await find(tx.customer, 4)).email, null);
}));

await check("masked_write", async () => {
	await refused(() => marketing(async (tx) => {
		const { customer_id, ...rest } = await find(tx.customer, 4);
		await tx.customer.update({ where: { customer_id }, data: { ...rest, name: "Changed" } });
	}));
	same(await nameAndMail(4), ["Name 4", "mail4@shop.example"]);
	await marketing((tx) => tx.customer.update({ where: { customer_id: 4 }, data: { name: "Name IV" } }));
	same(await nameAndMail(4), ["Name IV", "mail4@shop.example"]);
});

await check("hidden", async () => {
	const change = { where: { customer_id: 6 }, data: { name: "x" } };
	await marketing(async (tx) => {
		same(await find(tx.customer, 6), null);
		same((await tx.customer.updateMany(change)).count, 0);
	});
	await raises("P2025", () => marketing((tx) => tx.customer.update(change)));
	await raises("P2025", () => marketing((tx) => tx.customer.delete({ where: change.where })));
	same((await nameAndMail(6))[0], "Name 6");
});

await check("prepared", async () => {
	// its statements have names if the adapter is told how to make them
	const statementNameGenerator = ({ sql }) => "p" + createHash("sha256").update(sql).digest("hex").slice(0, 30);
	const named = new PrismaClient({ adapter: new PrismaPg({ database: "shop", user: "shop_app", max: 1 }, { statementNameGenerator }) });
	open.push(named);
	for (let i = 0; i < 14; i++) {
		for (const [name, expected] of [["marketing", 5], ["service", 10]]) {
			same((await forPurpose(named, name, (tx) => ids(tx.customer, { customer_id: { lt: 100 } }))).length, expected);
		}
	}
	same(await named.$queryRaw`SELECT generic_plans > 0 AND NOT from_sql AS planned FROM pg_prepared_statements WHERE statement LIKE '%"customer_id" < $1%' AND statement NOT LIKE '%planned%'`,
		[{ planned: true }]);
});

await check("partial", () => marketing(async (tx) => {
	await tx.$executeRaw`DECLARE parts CURSOR FOR SELECT customer_id FROM shop.customer ORDER BY customer_id`;
	const got = await tx.$queryRaw`FETCH 2 FROM parts`;
	await tx.$executeRaw`SELECT personalize.set_purpose('service')`;
	got.push(...(await tx.$queryRaw`FETCH ALL FROM parts`));
	same(got.map((row) => Number(row.customer_id)), MARKETING);
}));

await check("pool", async () => {
	const one = connect();
	const backend = async () => (await one.$queryRaw`SELECT pg_backend_pid() AS pid`)[0].pid;
	const none = () => refused(() => one.$transaction((tx) => ids(tx.customer)));
	const first = await backend();
	same(await forPurpose(one, "service", (tx) => ids(tx.customer)), SERVICE);
	await none();
	same(await ids(withPurpose(one, "service").customer), SERVICE);
	await none();
	await raises("left", () => forPurpose(one, "service", async (tx) => {
		same(await ids(tx.customer), SERVICE);
		throw Object.assign(new Error("left"), { code: "left" });
	}));
	await none();
	await raises("22012", () => forPurpose(one, "service", (tx) => tx.$queryRaw`SELECT 1 / 0`), state);
	await none();
	same(await backend(), first);
});

await check("pool_session", async () => {
	const one = connect();
	await refused(() => one.$executeRaw`SET personalize.purpose = 'service'`);
	await one.$queryRaw`SELECT set_config('personalize.purpose', 'service', false)`;
	await refused(() => ids(one.customer));
});

await check("error", async () => {
	const e = await refused(() => ids(db.customer));
	same([e.name, e.code, cause(e).hint?.startsWith(HINT)], ["PrismaClientKnownRequestError", "P2039", true]);
	const idle = connect("shop_idle");
	await refused(() => forPurpose(idle, "service", (tx) => ids(tx.customer)));
});

await check("types", async () => {
	const odd = "odd_exit_c_one";
	const row = await db.every.findUnique({ where: { id: 1 } });
	same([row.yes, row.tags, row.mood, row.bounded.toString(), row.fixed, row.doc, row[odd], row.column_class, row.twice],
		[false, ["a", "b"], "so_so", "12345.678", "fix", { a: 1 }, "odd", "class", "plainplain"]);
	await db.every.update({ where: { id: 1 }, data: { [odd]: "changed" } });
	same(await db.every.findMany({ where: { [odd]: "changed" }, select: { id: true } }), [{ id: 1 }]);
	const made = await db.every.create({ data: { plain: "new" } });
	same([made.twice, made.column_class], ["newnew", DEFAULT]);
});

await Promise.all(open.map((client) => client.$disconnect()));
