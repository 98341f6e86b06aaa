/*
 * Cumulative statistics of uses (src/counters.c), from PostgreSQL 18 on.
 */
CREATE OR REPLACE FUNCTION personalize.counters_internal(OUT uses_ended bigint, OUT uses_failed bigint, OUT uses_refused bigint,
	OUT rows_used bigint, OUT rows_withheld bigint, OUT record_flushes bigint, OUT ledger_lookups bigint, OUT stats_reset timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'personalize_counters';
COMMENT ON FUNCTION personalize.counters_internal() IS
	'What was counted in this database since the start of the server or pg_stat_reset(); NULL where nobody counts';

CREATE OR REPLACE VIEW personalize.stat_uses AS
	SELECT c.uses_ended, c.uses_failed, c.uses_refused, c.rows_used, c.rows_withheld, c.record_flushes, c.ledger_lookups, c.stats_reset
	FROM personalize.counters_internal() AS c
	WHERE c.uses_ended IS NOT NULL;
COMMENT ON VIEW personalize.stat_uses IS
	'Uses of protected relations in this database since the start of the server or pg_stat_reset(), counted as PostgreSQL counts its own; no row before PostgreSQL 18';
COMMENT ON COLUMN personalize.stat_uses.uses_ended IS 'statements that came to their end, for each relation';
COMMENT ON COLUMN personalize.stat_uses.uses_failed IS 'those that did not';
COMMENT ON COLUMN personalize.stat_uses.uses_refused IS 'those that were refused';
COMMENT ON COLUMN personalize.stat_uses.rows_used IS 'rows that the check let through';
COMMENT ON COLUMN personalize.stat_uses.rows_withheld IS 'rows that it kept back';
COMMENT ON COLUMN personalize.stat_uses.record_flushes IS 'times that a use waited for its record to be on disk';
COMMENT ON COLUMN personalize.stat_uses.ledger_lookups IS 'persons whose choice was read from the ledger, not from shared memory';
COMMENT ON COLUMN personalize.stat_uses.stats_reset IS 'when pg_stat_reset() was called';
