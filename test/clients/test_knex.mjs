// Knex.
import makeKnex from "knex";
import { DEFAULT, HINT, KEPT_BACK, MARKETING, SERVICE, checks, raises, same } from "./checks.mjs";
import { forPurpose } from "./purpose.mjs";

const { check } = checks("knex");
const connect = (user = "shop_app", more = {}) => makeKnex({ client: "pg", connection: { database: "shop", user, ...more }, pool: { min: 1, max: 1 } });
const knex = connect();
const ids = async (k, from = "shop.customer") => (await k(from).orderBy("customer_id").pluck("customer_id")).map(Number);
const service = (work) => forPurpose(knex, "service", work);
const marketing = (work) => forPurpose(knex, "marketing", work);
const find = (key, columns = ["name", "email"]) => service((trx) => trx("shop.customer").where({ customer_id: key }).first(columns));

await check("purpose", async () => {
	same(await marketing((trx) => ids(trx)), MARKETING);
	same(await service((trx) => ids(trx)), SERVICE);
	await raises("42501", () => ids(knex));
	same(await marketing((trx) => trx.transaction((inner) => ids(inner))), MARKETING);
});

await check("role", async () => {
	for (const news of [connect("shop_news"), connect("shop_app", { options: "-c personalize.purpose=marketing" })]) {
		same(await ids(news), MARKETING);
		await news.destroy();
	}
});

await check("view", async () => {
	same(await ids(knex, "marketing.customer"), MARKETING);
	same((await knex("marketing.customer").where({ customer_id: 2 }).first()).name, "Name 2");
	same(await knex("marketing.customer").where({ customer_id: 6 }).first(), undefined);
});

await check("create", async () => {
	const [made] = await knex("shop.customer").insert({ name: "New", email: "new@shop.example" }).returning(["customer_id", "joined"]);
	same([made.customer_id, made.joined instanceof Date], ["11", true]);
});

await check("read", () => service(async (trx) => {
	same((await trx("shop.customer").where("customer_id", 7).first()).name, "Name 7");
	same(await trx("shop.customer").where("email", "like", "mail1%").orderBy("customer_id").pluck("customer_id"), ["1", "10"]);
	same((await trx("shop.customer").where("customer_id", "<=", 10).count({ n: "*" }))[0].n, "10");
	same(await trx("shop.customer as c").join("shop.purchase as p", "p.customer_id", "c.customer_id").where("c.customer_id", 3).select("c.name", "p.price"),
		[{ name: "Name 3", price: "30.00" }]);
}));

await check("update", async () => {
	same(await service((trx) => trx("shop.customer").where({ customer_id: 2 }).update({ phone: "555-0" })), 1);
	same((await find(2, ["phone"])).phone, "555-0");
});

await check("delete", async () => {
	same(await service((trx) => trx("shop.customer").where({ customer_id: 11 }).del()), 1);
	same(await find(11), undefined);
});

const put = (k, relation, name, email) => k(relation).insert({ name, email }).onConflict("email").merge(["name"]).returning(["customer_id", "name"]);

await check("upsert", () => service(async (trx) => {
	const [first] = await put(trx, "shop.customer", "One", "up@shop.example");
	const [second] = await put(trx, "shop.customer", "Two", "up@shop.example");
	same([first.name, second.name, first.customer_id], ["One", "Two", second.customer_id]);
	same(await trx("shop.customer").where({ email: "up@shop.example" }).del(), 1);
}));

await check("returning", () => service(async (trx) => {
	same(await trx("shop.customer").whereIn("customer_id", [8, 9]).update({ phone: "555" }).returning("name"), [{ name: "Name 8" }, { name: "Name 9" }]);
	same(await trx("shop.purchase").where({ customer_id: 10 }).del().returning("item"), [{ item: "lantern" }]);
}));

await check("view_write", async () => {
	const [made] = await knex("service.customer").insert({ name: "V", email: "v@shop.example" }).returning("*");
	same(made.joined instanceof Date, true);
	same(await knex("service.customer").where({ customer_id: made.customer_id }).update({ phone: "1" }), 1);
	same(await put(knex, "service.customer", "W", "v@shop.example"), [{ customer_id: made.customer_id, name: "W" }]);
	same(await knex("service.customer").where({ customer_id: made.customer_id }).del(), 1);
});

await check("masked_read", () => marketing(async (trx) => {
	same((await trx("shop.customer").whereNull("email").orderBy("customer_id").pluck("customer_id")).map(Number), KEPT_BACK);
	same(await trx("shop.customer").where({ customer_id: 4 }).first("name", "email"), { name: "Name 4", email: null });
}));

await check("masked_write", async () => {
	await raises("42501", () => marketing(async (trx) => {
		const { customer_id, ...rest } = await trx("shop.customer").where({ customer_id: 4 }).first();
		await trx("shop.customer").where({ customer_id }).update({ ...rest, name: "Changed" });
	}));
	same(await find(4), { name: "Name 4", email: "mail4@shop.example" });
	same(await marketing((trx) => trx("shop.customer").where({ customer_id: 4 }).update({ name: "Name IV" })), 1);
	same(await find(4), { name: "Name IV", email: "mail4@shop.example" });
});

await check("hidden", async () => {
	await marketing(async (trx) => {
		same(await trx("shop.customer").where({ customer_id: 6 }).first(), undefined);
		same(await trx("shop.customer").where({ customer_id: 6 }).update({ name: "x" }), 0);
	});
	same((await find(6)).name, "Name 6");
});

await check("prepared", async () => {
	// Knex prepares nothing by itself
	await knex.raw("PREPARE below(bigint) AS SELECT customer_id FROM shop.customer WHERE customer_id < $1");
	for (let i = 0; i < 14; i++) {
		for (const [name, expected] of [["marketing", 5], ["service", 10]]) {
			same((await forPurpose(knex, name, (trx) => trx.raw("EXECUTE below(100)"))).rows.length, expected);
		}
	}
	same((await knex("pg_prepared_statements").where({ name: "below" }).select(knex.raw("generic_plans > 0 AS planned"))), [{ planned: true }]);
});

await check("partial", () => marketing(async (trx) => {
	await trx.raw("DECLARE parts CURSOR FOR ?", [trx("shop.customer").select("customer_id").orderBy("customer_id")]);
	const got = (await trx.raw("FETCH 2 FROM parts")).rows;
	await trx.raw("SELECT personalize.set_purpose('service')");
	got.push(...(await trx.raw("FETCH ALL FROM parts")).rows);
	same(got.map((row) => Number(row.customer_id)), MARKETING);
}));

await check("pool", async () => {
	const one = connect();
	const backend = async () => (await one.raw("SELECT pg_backend_pid() AS pid")).rows[0].pid;
	const first = await backend();
	same(await forPurpose(one, "service", (trx) => ids(trx)), SERVICE);
	await raises("42501", () => ids(one));
	await raises("left", () => forPurpose(one, "service", async (trx) => {
		same(await ids(trx), SERVICE);
		throw Object.assign(new Error("left"), { code: "left" });
	}));
	await raises("42501", () => ids(one));
	await raises("22012", () => forPurpose(one, "service", (trx) => trx.raw("SELECT 1 / 0")));
	await raises("42501", () => ids(one));
	same(await backend(), first);
	await one.destroy();
});

await check("pool_session", async () => {
	const one = connect();
	await raises("42501", () => one.raw("SET personalize.purpose = 'service'"));
	await one.raw("SELECT set_config('personalize.purpose', 'service', false)");
	await raises("42501", () => ids(one));
	await one.destroy();
});

await check("error", async () => {
	const e = await raises("42501", () => ids(knex));
	same(e.hint.startsWith(HINT), true);
	const idle = connect("shop_idle");
	await raises("42501", () => forPurpose(idle, "service", (trx) => ids(trx)));
	await idle.destroy();
});

await check("types", async () => {
	// the types are for the compiler, which has read them in test_knex.ts
	const row = await knex("shop.every").first();
	const odd = Object.keys(row).find((key) => key.startsWith("odd"));
	same([row.yes, row.tags, row.mood, row.bounded, row.fixed, row.doc, row[odd], row.class, row.twice],
		[false, ["a", "b"], "so so", "12345.678", "fix", { a: 1 }, "odd", "class", "plainplain"]);
	same(await knex("shop.every").where({ id: 1 }).update({ [odd]: "changed" }), 1);
	same(await knex("shop.every").where({ [odd]: "changed" }).pluck("id"), [1]);
	same(await knex("shop.every").insert({ plain: "new" }).returning(["twice", "class"]), [{ twice: "newnew", class: DEFAULT }]);
});

await knex.destroy();
