// Sequelize.
import { DataTypes, Op, QueryTypes, Sequelize } from "sequelize";
import { DEFAULT, HINT, KEPT_BACK, MARKETING, SERVICE, checks, raises, same } from "./checks.mjs";
import * as models from "./models.mjs";
import { forPurpose } from "./purpose.mjs";

const { check } = checks("sequelize");
const open = [];
function connect(user = "shop_app", more = {}) {
	const s = new Sequelize("shop", user, null, { dialect: "postgres", host: process.env.PGHOST, port: process.env.PGPORT, logging: false, pool: { max: 1 }, ...more });
	open.push(s);
	models.Customer(s, DataTypes);
	models.MarketingCustomer(s, DataTypes);
	s.define("ServiceCustomer", s.models.Customer.getAttributes(), { schema: "service", tableName: "customer", timestamps: false });
	s.define("Purchase", {
		purchase_id: { type: DataTypes.UUID, primaryKey: true },
		item: { type: DataTypes.TEXT },
		price: { type: DataTypes.DECIMAL(10, 2) },
	}, { schema: "shop", tableName: "purchase", timestamps: false });
	s.models.Purchase.belongsTo(s.models.Customer, { foreignKey: "customer_id" });
	return s;
}
const db = connect();
const { Customer, MarketingCustomer, ServiceCustomer, Purchase } = db.models;
const state = (e) => e.parent?.code ?? e.code;
const refused = (work) => raises("42501", work, state);
const ids = async (model, transaction, where = {}) => (await model.findAll({ attributes: ["customer_id"], order: ["customer_id"], where, transaction })).map((c) => Number(c.customer_id));
const service = (work) => forPurpose(db, "service", work);
const marketing = (work) => forPurpose(db, "marketing", work);
const nameAndMail = (key) => service(async (transaction) => {
	const { name, email } = await Customer.findByPk(key, { transaction });
	return [name, email];
});

await check("purpose", async () => {
	same(await marketing((t) => ids(Customer, t)), MARKETING);
	same(await service((t) => ids(Customer, t)), SERVICE);
	await refused(() => ids(Customer));
});

await check("role", async () => {
	same(await ids(connect("shop_news").models.Customer), MARKETING);
	same(await ids(connect("shop_app", { dialectOptions: { options: "-c personalize.purpose=marketing" } }).models.Customer), MARKETING);
});

await check("view", async () => {
	same(await ids(MarketingCustomer), MARKETING);
	same((await MarketingCustomer.findByPk(2)).name, "Name 2");
	same(await MarketingCustomer.findByPk(6), null);
});

await check("create", async () => {
	const made = await Customer.create({ name: "New", email: "new@shop.example" });
	same([made.customer_id, made.joined instanceof Date], ["11", true]);
});

await check("read", () => service(async (transaction) => {
	same((await Customer.findByPk(7, { transaction })).name, "Name 7");
	same(await ids(Customer, transaction, { email: { [Op.like]: "mail1%" } }), [1, 10]);
	same(await Customer.count({ where: { customer_id: { [Op.lte]: 10 } }, transaction }), 10);
	const found = await Purchase.findAll({ include: { model: Customer, where: { name: "Name 3" } }, transaction });
	same(found.map((p) => [p.Customer.name, p.price]), [["Name 3", "30.00"]]);
}));

await check("update", async () => {
	await service(async (transaction) => {
		const two = await Customer.findByPk(2, { transaction });
		two.phone = "555-0";
		await two.save({ transaction });
	});
	same((await service((transaction) => Customer.findByPk(2, { transaction }))).phone, "555-0");
});

await check("delete", async () => {
	await service(async (transaction) => (await Customer.findByPk(11, { transaction })).destroy({ transaction }));
	same(await service((transaction) => Customer.findByPk(11, { transaction })), null);
});

const put = async (model, name, email, transaction) => (await model.upsert({ name, email }, { conflictFields: ["email"], fields: ["name", "email"], transaction }))[0];

await check("upsert", () => service(async (transaction) => {
	const first = await put(Customer, "One", "up@shop.example", transaction);
	const second = await put(Customer, "Two", "up@shop.example", transaction);
	same([first.name, second.name, first.customer_id], ["One", "Two", second.customer_id]);
	same(await Customer.destroy({ where: { email: "up@shop.example" }, transaction }), 1);
}));

await check("returning", () => service(async (transaction) => {
	const [n, rows] = await Customer.update({ phone: "555" }, { where: { customer_id: [8, 9] }, returning: true, transaction });
	same([n, rows.map((c) => c.name)], [2, ["Name 8", "Name 9"]]);
}));

await check("view_write", async () => {
	const made = await ServiceCustomer.create({ name: "V", email: "v@shop.example" });
	same(made.joined instanceof Date, true);
	await made.update({ phone: "1" });
	same((await put(ServiceCustomer, "W", "v@shop.example")).customer_id, made.customer_id);
	await made.reload();
	same([made.name, made.phone], ["W", "1"]);
	await made.destroy();
	same(await ServiceCustomer.findByPk(made.customer_id), null);
});

await check("masked_read", () => marketing(async (transaction) => {
	same(await ids(Customer, transaction, { email: null }), KEPT_BACK);
	same((await Customer.findByPk(4, { transaction })).email, null);
}));

await check("masked_write", async () => {
	await refused(() => marketing(async (transaction) => {
		const { customer_id, ...rest } = (await Customer.findByPk(4, { transaction })).get();
		await Customer.update({ ...rest, name: "Changed" }, { where: { customer_id }, transaction });
	}));
	same(await nameAndMail(4), ["Name 4", "mail4@shop.example"]);
	await marketing(async (transaction) => {
		const four = await Customer.findByPk(4, { transaction });
		four.name = "Name IV";
		await four.save({ transaction });
	});
	same(await nameAndMail(4), ["Name IV", "mail4@shop.example"]);
});

await check("hidden", async () => {
	const six = await service((transaction) => Customer.findByPk(6, { transaction }));
	await marketing(async (transaction) => {
		same(await Customer.findByPk(6, { transaction }), null);
		same(await Customer.update({ name: "x" }, { where: { customer_id: 6 }, transaction }), [0]);
		six.name = "x";
		await six.save({ transaction });
	});
	same((await nameAndMail(6))[0], "Name 6");
});

await check("prepared", async () => {
	// Sequelize prepares nothing by itself
	await db.query("PREPARE below(bigint) AS SELECT customer_id FROM shop.customer WHERE customer_id < $1");
	for (let i = 0; i < 14; i++) {
		for (const [name, expected] of [["marketing", 5], ["service", 10]]) {
			same((await forPurpose(db, name, (transaction) => db.query("EXECUTE below(100)", { type: QueryTypes.SELECT, transaction }))).length, expected);
		}
	}
	same(await db.query("SELECT generic_plans > 0 AS planned FROM pg_prepared_statements WHERE name = 'below'", { type: QueryTypes.SELECT }), [{ planned: true }]);
});

await check("partial", () => marketing(async (transaction) => {
	const fetch = (n) => db.query(`FETCH ${n} FROM parts`, { type: QueryTypes.SELECT, transaction });
	await db.query("DECLARE parts CURSOR FOR SELECT customer_id FROM shop.customer ORDER BY customer_id", { transaction });
	const got = await fetch(2);
	await db.query("SELECT personalize.set_purpose('service')", { transaction });
	got.push(...(await fetch("ALL")));
	same(got.map((row) => Number(row.customer_id)), MARKETING);
}));

await check("pool", async () => {
	const one = connect();
	const model = one.models.Customer;
	const backend = async () => (await one.query("SELECT pg_backend_pid() AS pid", { type: QueryTypes.SELECT }))[0].pid;
	const first = await backend();
	same(await forPurpose(one, "service", (t) => ids(model, t)), SERVICE);
	await refused(() => ids(model));
	await raises("left", () => forPurpose(one, "service", async (t) => {
		same(await ids(model, t), SERVICE);
		throw Object.assign(new Error("left"), { code: "left" });
	}));
	await refused(() => ids(model));
	await raises("22012", () => forPurpose(one, "service", (transaction) => one.query("SELECT 1 / 0", { transaction })), state);
	await refused(() => ids(model));
	same(await backend(), first);
});

await check("pool_session", async () => {
	const one = connect();
	await refused(() => one.query("SET personalize.purpose = 'service'"));
	await one.query("SELECT set_config('personalize.purpose', 'service', false)");
	await refused(() => ids(one.models.Customer));
});

await check("error", async () => {
	const e = await refused(() => ids(Customer));
	same([e.name, e.parent.hint.startsWith(HINT)], ["SequelizeDatabaseError", true]);
	const idle = connect("shop_idle");
	await refused(() => forPurpose(idle, "service", (t) => ids(idle.models.Customer, t)));
});

await check("types", async () => {
	const { Every } = await import("./every.mjs");
	const model = Every(db, DataTypes);
	const odd = "odd_exit_c_one";
	const row = await model.findByPk(1);
	same([row.yes, row.tags, row.mood, row.bounded, row.fixed, row.doc, row[odd], row.column_class, row.twice],
		[false, ["a", "b"], "so so", "12345.678", "fix", { a: 1 }, "odd", "class", "plainplain"]);
	await row.update({ [odd]: "changed" });
	same((await model.findOne({ where: { [odd]: "changed" } })).id, 1);
	const made = await model.create({ plain: "new" });
	same([made.twice, made.column_class], ["newnew", DEFAULT]);
});

await Promise.all(open.map((s) => s.close()));
