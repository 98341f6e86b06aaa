// node-postgres, with pg-cursor.
import pg from "pg";
import Cursor from "pg-cursor";
import { HINT, KEPT_BACK, MARKETING, SERVICE, checks, raises, same } from "./checks.mjs";
import { forPurpose } from "./purpose.mjs";

const { check, cannot } = checks("node-pg");
const IDS = "SELECT customer_id::integer AS id FROM shop.customer ORDER BY customer_id";
const UPSERT = (relation) => `INSERT INTO ${relation} (name, email) VALUES ($1, $2) ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING name, customer_id`;
const connect = (user = "shop_app", more = {}) => new pg.Pool({ database: "shop", user, max: 1, ...more });
const pool = connect();
const column = async (client, query, ...values) => (await client.query({ text: query, values, rowMode: "array" })).rows.map((row) => row[0]);
const changed = async (client, query, ...values) => (await client.query(query, values)).rowCount;
const service = (work) => forPurpose(pool, "service", work);
const marketing = (work) => forPurpose(pool, "marketing", work);
const nameAndMail = (key) => service(async (c) => (await c.query("SELECT name, email FROM shop.customer WHERE customer_id = $1", [key])).rows[0]);

await check("purpose", async () => {
	same(await marketing((c) => column(c, IDS)), MARKETING);
	same(await service((c) => column(c, IDS)), SERVICE);
	await raises("42501", () => column(pool, IDS));
});

await check("role", async () => {
	const news = connect("shop_news");
	same(await column(news, IDS), MARKETING);
	await news.end();
	const started = connect("shop_app", { options: "-c personalize.purpose=marketing" });
	same(await column(started, IDS), MARKETING);
	await started.end();
});

await check("view", async () => {
	same(await column(pool, "SELECT customer_id::integer FROM marketing.customer ORDER BY customer_id"), MARKETING);
	same(await column(pool, "SELECT customer_id::integer FROM service.customer ORDER BY customer_id"), SERVICE);
});

await check("create", async () => {
	const { rows } = await pool.query("INSERT INTO shop.customer (name, email) VALUES ($1, $2) RETURNING customer_id, joined", ["New", "new@shop.example"]);
	same([rows[0].customer_id, rows[0].joined instanceof Date], ["11", true]);
});

await check("read", async () => {
	await service(async (c) => {
		same(await column(c, "SELECT name FROM shop.customer WHERE customer_id = $1", 7), ["Name 7"]);
		same(await column(c, "SELECT customer_id::integer FROM shop.customer WHERE email LIKE $1 ORDER BY 1", "mail1%"), [1, 10]);
		same(await column(c, "SELECT count(*)::integer FROM shop.customer WHERE customer_id <= 10"), [10]);
		same((await c.query("SELECT c.name, p.price::integer FROM shop.customer AS c JOIN shop.purchase AS p USING (customer_id) WHERE c.customer_id = 3")).rows[0],
			{ name: "Name 3", price: 30 });
	});
});

await check("update", async () => {
	same(await service((c) => changed(c, "UPDATE shop.customer SET phone = $1 WHERE customer_id = $2", "555-0", 2)), 1);
	same(await service((c) => column(c, "SELECT phone FROM shop.customer WHERE customer_id = 2")), ["555-0"]);
});

await check("delete", async () => {
	same(await service((c) => changed(c, "DELETE FROM shop.customer WHERE email = $1", "new@shop.example")), 1);
	same(await service((c) => column(c, "SELECT name FROM shop.customer WHERE customer_id = 11")), []);
});

await check("upsert", () => service(async (c) => {
	const first = (await c.query(UPSERT("shop.customer"), ["One", "up@shop.example"])).rows[0];
	const second = (await c.query(UPSERT("shop.customer"), ["Two", "up@shop.example"])).rows[0];
	same([first.name, second.name, first.customer_id], ["One", "Two", second.customer_id]);
	same(await changed(c, "DELETE FROM shop.customer WHERE email = 'up@shop.example'"), 1);
}));

await check("returning", () => service(async (c) => {
	same(await column(c, "UPDATE shop.customer SET phone = phone WHERE customer_id IN (8, 9) RETURNING customer_id::integer"), [8, 9]);
	same(await column(c, "DELETE FROM shop.purchase WHERE customer_id = 10 RETURNING item"), ["lantern"]);
}));

await check("view_write", async () => {
	const [key] = await column(pool, "INSERT INTO service.customer (name, email) VALUES ('V', 'v@shop.example') RETURNING customer_id");
	same(await column(pool, "UPDATE service.customer SET phone = '1' WHERE customer_id = $1 RETURNING joined IS NOT NULL", key), [true]);
	same(await column(pool, UPSERT("service.customer"), "W", "v@shop.example"), ["W"]);
	same(await changed(pool, "DELETE FROM service.customer WHERE customer_id = $1", key), 1);
});

await check("masked_read", async () => {
	same(await marketing((c) => column(c, "SELECT customer_id::integer FROM shop.customer WHERE email IS NULL ORDER BY 1")), KEPT_BACK);
	same(await marketing((c) => column(c, "SELECT email FROM shop.customer WHERE customer_id = 4")), [null]);
});

await check("masked_write", async () => {
	await raises("42501", () => marketing(async (c) => {
		const row = (await c.query("SELECT * FROM shop.customer WHERE customer_id = 4")).rows[0];
		await c.query("UPDATE shop.customer SET name = $1, email = $2, phone = $3 WHERE customer_id = $4", ["Changed", row.email, row.phone, row.customer_id]);
	}));
	same(await nameAndMail(4), { name: "Name 4", email: "mail4@shop.example" });
	same(await marketing((c) => changed(c, "UPDATE shop.customer SET name = 'Name IV' WHERE customer_id = 4")), 1);
	same(await nameAndMail(4), { name: "Name IV", email: "mail4@shop.example" });
});

await check("hidden", async () => {
	same(await marketing((c) => column(c, "SELECT name FROM shop.customer WHERE customer_id = 6")), []);
	same(await marketing((c) => changed(c, "UPDATE shop.customer SET name = 'x' WHERE customer_id = 6")), 0);
	same((await nameAndMail(6)).name, "Name 6");
});

await check("prepared", async () => {
	for (let i = 0; i < 14; i++) {
		for (const [name, expected] of [["marketing", 5], ["service", 10]]) {
			const { rows } = await forPurpose(pool, name, (c) => c.query({ name: "below", text: "SELECT customer_id FROM shop.customer WHERE customer_id < $1", values: [100] }));
			same(rows.length, expected);
		}
	}
	same(await column(pool, "SELECT generic_plans > 0 AND NOT from_sql FROM pg_prepared_statements WHERE name = 'below'"), [true]);
});

await check("partial", () => marketing(async (c) => {
	const parts = c.query(new Cursor(IDS));
	const got = [];
	for (let more; (more = await parts.read(2)).length > 0; ) got.push(...more.map((row) => row.id));
	await parts.close();
	same(got, MARKETING);
	// other statements wait for a cursor of the driver, but not for one in SQL
	await c.query(`DECLARE parts CURSOR FOR ${IDS}`);
	const first = await column(c, "FETCH 2 FROM parts");
	await c.query("SELECT personalize.set_purpose('service')");
	same([...first, ...(await column(c, "FETCH ALL FROM parts"))], MARKETING);
}));

// pool.query() throws a client away after an error, this does not
async function borrow(one, work) {
	const client = await one.connect();
	try {
		return await work(client);
	} finally {
		client.release();
	}
}

await check("pool", async () => {
	const one = connect();
	const backend = () => borrow(one, (c) => column(c, "SELECT pg_backend_pid()"));
	const refused = () => raises("42501", () => borrow(one, (c) => column(c, IDS)));
	const first = await backend();
	same(await forPurpose(one, "service", (c) => column(c, IDS)), SERVICE);
	await refused();
	await raises("left", () => forPurpose(one, "service", async (c) => {
		same(await column(c, IDS), SERVICE);
		throw Object.assign(new Error("left"), { code: "left" });
	}));
	await refused();
	await raises("22012", () => forPurpose(one, "service", (c) => c.query("SELECT 1 / 0")));
	await refused();
	same(await backend(), first);
	await one.end();
});

await check("pool_session", async () => {
	const one = connect();
	await borrow(one, async (c) => {
		await raises("42501", () => c.query("SET personalize.purpose = 'service'"));
		await c.query("SELECT set_config('personalize.purpose', 'service', false)");
	});
	await borrow(one, (c) => raises("42501", () => column(c, IDS)));
	await one.end();
});

await check("error", async () => {
	const e = await raises("42501", () => column(pool, IDS));
	same([e instanceof pg.DatabaseError, e.hint.startsWith(HINT)], [true, true]);
	const idle = connect("shop_idle");
	await raises("42501", () => forPurpose(idle, "service", (c) => column(c, IDS)));
	await idle.end();
});

cannot("model", "has no models");
cannot("types", "has no models");
await pool.end();
