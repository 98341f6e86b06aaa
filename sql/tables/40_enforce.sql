/*
 * The type that marks calls of the row filter; the C side is in
 * src/enforce_check.c.  Run once: a type cannot be made again.
 */
CREATE TYPE personalize.plan_mark;
CREATE FUNCTION personalize.plan_mark_in(cstring) RETURNS personalize.plan_mark
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_plan_mark_in';
COMMENT ON FUNCTION personalize.plan_mark_in(cstring) IS 'Refuses: only the row filter makes values of plan_mark';
CREATE FUNCTION personalize.plan_mark_out(personalize.plan_mark) RETURNS cstring
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_plan_mark_out';
COMMENT ON FUNCTION personalize.plan_mark_out(personalize.plan_mark) IS 'The protected relation a mark stands for, as EXPLAIN shows it';
CREATE TYPE personalize.plan_mark (
	INPUT = personalize.plan_mark_in,
	OUTPUT = personalize.plan_mark_out,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = plain
);
COMMENT ON TYPE personalize.plan_mark IS 'Marks calls of the row filter that the planner hook has placed; cannot be written in SQL';
