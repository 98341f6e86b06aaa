// The types that orm_model() prints: what the compiler must refuse.
import type { Knex } from "knex";
import type { Every } from "./every.ts";
import { firstLetters } from "./typed.ts";

export async function refused(trx: Knex.Transaction): Promise<string[]> {
	const customer = await trx("marketing.customer").where({ customer_id: "4" }).first();
	// @ts-expect-error: may be kept back
	const email: string = customer!.email;
	// @ts-expect-error: there is no such column
	await trx("shop.customer").where({ nome: "x" });
	return [email, ...(await firstLetters(trx))];
}

export async function typesOf(trx: Knex.Transaction): Promise<void> {
	const row: Every = (await trx("shop.every").where({ id: 1 }).first())!;
	const known: [boolean, string[] | null, "fine" | "so so" | "class" | null, string | null] = [row.yes, row.tags, row.mood, row.bounded];
	await trx("shop.every").insert({ plain: "new", mood: known[2] });
	// @ts-expect-error: no such mood
	await trx("shop.every").insert({ mood: "sad" });
}
