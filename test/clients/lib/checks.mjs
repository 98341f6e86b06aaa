// Checks of a client in JavaScript: await check("name", async () => ...) for the lines of checks.txt.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

export const HINT = "Say what the data is used for";
export const MARKETING = [1, 2, 3, 4, 5];
export const KEPT_BACK = [4, 5];
// what every.sql has for a default
export const DEFAULT = 'it\'s "so"\n#{exit}';
export const SERVICE = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const said = new Map(readFileSync(new URL("checks.txt", import.meta.url), "utf8").split("\n").filter((line) => line.includes("\t")).map((line) => line.split("\t")));

export function checks(client) {
	const line = (name) => {
		if (!said.has(name)) throw new Error(`no check ${name}`);
		return `${client}: ${name}`;
	};
	return {
		async check(name, work) {
			const end = ` - ${line(name)}: ${said.get(name)}`;
			try {
				await work();
				console.log("ok" + end);
			} catch (e) {
				console.log("not ok" + end);
				console.log(`# ${e.stack ?? e}\n${e.cause ? `cause: ${e.cause.stack ?? e.cause}` : ""}`.replaceAll("\n", "\n# "));
			}
		},
		cannot(name, reason) {
			console.log(`skipped - ${line(name)}: ${reason}`);
		},
	};
}

export function same(found, expected) {
	if (!isDeepStrictEqual(found, expected)) {
		const shown = (value) => JSON.stringify(value, (key, v) => (typeof v === "bigint" ? `${v}n` : v));
		throw new Error(`found ${shown(found)}, expected ${shown(expected)}`);
	}
}

// The work must fail with this SQLSTATE, as the client shows it; returns the error.
export async function raises(state, work, stateOf = (e) => e.code) {
	let result;
	try {
		result = await work();
	} catch (e) {
		if (stateOf(e) !== state) throw e;
		return e;
	}
	throw new Error(`no error ${state}, but ${result}`);
}
