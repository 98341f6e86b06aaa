// The types that orm_model() prints: what the compiler must refuse.
import type { Knex } from "knex";
import { firstLetters } from "./typed.ts";

export async function refused(trx: Knex.Transaction): Promise<string[]> {
	const customer = await trx("marketing.customer").where({ customer_id: "4" }).first();
	// @ts-expect-error: may be kept back
	const email: string = customer!.email;
	// @ts-expect-error: there is no such column
	await trx("shop.customer").where({ nome: "x" });
	return [email, ...(await firstLetters(trx))];
}
