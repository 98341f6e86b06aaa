/*
 * What a query is changed by so that whose rows it delivers is noted; the C
 * side is in src/enforce_tap.c.  Only the planner hook can make the mark that
 * each of these needs.
 */

CREATE OR REPLACE FUNCTION personalize.tap_row(mark personalize.plan_mark, subject bigint) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_tap_row';
COMMENT ON FUNCTION personalize.tap_row(personalize.plan_mark, bigint) IS
	'Notes the subject of a row; true';
CREATE OR REPLACE FUNCTION personalize.collect_step(state boolean, mark personalize.plan_mark, subject bigint) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_step';
COMMENT ON FUNCTION personalize.collect_step(boolean, personalize.plan_mark, bigint) IS
	'Transition of collect(): notes the subject of a row that is grouped';
CREATE OR REPLACE AGGREGATE personalize.collect(personalize.plan_mark, bigint) (
	SFUNC = personalize.collect_step, STYPE = boolean, INITCOND = 'true', COMBINEFUNC = pg_catalog.booland_statefunc,
	PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect(personalize.plan_mark, bigint) IS
	'Notes the subjects of the rows that are grouped; true';
CREATE OR REPLACE FUNCTION personalize.collect_set_step(state bigint, mark personalize.plan_mark, subject bigint) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_set_step';
COMMENT ON FUNCTION personalize.collect_set_step(bigint, personalize.plan_mark, bigint) IS
	'Transition of collect_set(): adds the subject of a row to its group';
CREATE OR REPLACE AGGREGATE personalize.collect_set(personalize.plan_mark, bigint) (
	SFUNC = personalize.collect_set_step, STYPE = bigint, INITCOND = '0', PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect_set(personalize.plan_mark, bigint) IS
	'Number under which the subjects of a group are kept until its row is delivered';

CREATE OR REPLACE FUNCTION personalize.tap_row(mark personalize.plan_mark, subject uuid) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_tap_row';
COMMENT ON FUNCTION personalize.tap_row(personalize.plan_mark, uuid) IS
	'Notes the subject of a row; true';
CREATE OR REPLACE FUNCTION personalize.collect_step(state boolean, mark personalize.plan_mark, subject uuid) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_step';
COMMENT ON FUNCTION personalize.collect_step(boolean, personalize.plan_mark, uuid) IS
	'Transition of collect(): notes the subject of a row that is grouped';
CREATE OR REPLACE AGGREGATE personalize.collect(personalize.plan_mark, uuid) (
	SFUNC = personalize.collect_step, STYPE = boolean, INITCOND = 'true', COMBINEFUNC = pg_catalog.booland_statefunc,
	PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect(personalize.plan_mark, uuid) IS
	'Notes the subjects of the rows that are grouped; true';
CREATE OR REPLACE FUNCTION personalize.collect_set_step(state bigint, mark personalize.plan_mark, subject uuid) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_set_step';
COMMENT ON FUNCTION personalize.collect_set_step(bigint, personalize.plan_mark, uuid) IS
	'Transition of collect_set(): adds the subject of a row to its group';
CREATE OR REPLACE AGGREGATE personalize.collect_set(personalize.plan_mark, uuid) (
	SFUNC = personalize.collect_set_step, STYPE = bigint, INITCOND = '0', PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect_set(personalize.plan_mark, uuid) IS
	'Number under which the subjects of a group are kept until its row is delivered';

CREATE OR REPLACE FUNCTION personalize.tap_row(mark personalize.plan_mark, subject text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_tap_row';
COMMENT ON FUNCTION personalize.tap_row(personalize.plan_mark, text) IS
	'Notes the subject of a row; true';
CREATE OR REPLACE FUNCTION personalize.collect_step(state boolean, mark personalize.plan_mark, subject text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_step';
COMMENT ON FUNCTION personalize.collect_step(boolean, personalize.plan_mark, text) IS
	'Transition of collect(): notes the subject of a row that is grouped';
CREATE OR REPLACE AGGREGATE personalize.collect(personalize.plan_mark, text) (
	SFUNC = personalize.collect_step, STYPE = boolean, INITCOND = 'true', COMBINEFUNC = pg_catalog.booland_statefunc,
	PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect(personalize.plan_mark, text) IS
	'Notes the subjects of the rows that are grouped; true';
CREATE OR REPLACE FUNCTION personalize.collect_set_step(state bigint, mark personalize.plan_mark, subject text) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_set_step';
COMMENT ON FUNCTION personalize.collect_set_step(bigint, personalize.plan_mark, text) IS
	'Transition of collect_set(): adds the subject of a row to its group';
CREATE OR REPLACE AGGREGATE personalize.collect_set(personalize.plan_mark, text) (
	SFUNC = personalize.collect_set_step, STYPE = bigint, INITCOND = '0', PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect_set(personalize.plan_mark, text) IS
	'Number under which the subjects of a group are kept until its row is delivered';

CREATE OR REPLACE FUNCTION personalize.tap_group(mark personalize.plan_mark, subjects bigint) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_tap_group';
COMMENT ON FUNCTION personalize.tap_group(personalize.plan_mark, bigint) IS
	'Notes the subjects of a group; true';
CREATE OR REPLACE FUNCTION personalize.collect_group_step(state boolean, mark personalize.plan_mark, subjects bigint) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_group_step';
COMMENT ON FUNCTION personalize.collect_group_step(boolean, personalize.plan_mark, bigint) IS
	'Transition of collect_group(): notes the subjects of a group that is grouped again';
CREATE OR REPLACE AGGREGATE personalize.collect_group(personalize.plan_mark, bigint) (
	SFUNC = personalize.collect_group_step, STYPE = boolean, INITCOND = 'true', COMBINEFUNC = pg_catalog.booland_statefunc,
	PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect_group(personalize.plan_mark, bigint) IS
	'As collect(), of the groups of a level below';
CREATE OR REPLACE FUNCTION personalize.collect_set_group_step(state bigint, mark personalize.plan_mark, subjects bigint) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 1 AS 'MODULE_PATHNAME', 'personalize_collect_set_group_step';
COMMENT ON FUNCTION personalize.collect_set_group_step(bigint, personalize.plan_mark, bigint) IS
	'Transition of collect_set_group(): adds the subjects of a group to another';
CREATE OR REPLACE AGGREGATE personalize.collect_set_group(personalize.plan_mark, bigint) (
	SFUNC = personalize.collect_set_group_step, STYPE = bigint, INITCOND = '0', PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE personalize.collect_set_group(personalize.plan_mark, bigint) IS
	'As collect_set(), of the groups of a level below';
