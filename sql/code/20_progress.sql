/*
 * How far long work is (src/progress.c).  Functions of ours say so where they go from one
 * batch or step to the next; the names of works and phases are those in src/progress.c.
 */
CREATE OR REPLACE FUNCTION personalize.progress_internal(command text, phase text, done bigint DEFAULT NULL, total bigint DEFAULT NULL,
	relation oid DEFAULT NULL, more bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL RESTRICTED CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'personalize_progress';
COMMENT ON FUNCTION personalize.progress_internal(text, text, bigint, bigint, oid, bigint) IS
	'Begins work unless it is what this session does, and says how far it is; phase NULL: it is done. Returns the total that is known';

CREATE OR REPLACE FUNCTION personalize.progress_recording_internal(command text, phase text, done bigint DEFAULT NULL, total bigint DEFAULT NULL,
	relation oid DEFAULT NULL, more bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL RESTRICTED CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'personalize_progress_recording';
COMMENT ON FUNCTION personalize.progress_recording_internal(text, text, bigint, bigint, oid, bigint) IS
	'The same for functions that record with the rights of the caller: only of those, and only of this session';

CREATE OR REPLACE FUNCTION personalize.progress_read_internal()
RETURNS TABLE (pid integer, datid oid, relid oid, command text, phase text, done bigint, total bigint, unit text, started_at timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 5
AS 'MODULE_PATHNAME', 'personalize_progress_read';
COMMENT ON FUNCTION personalize.progress_read_internal() IS
	'What goes on now; of other databases only for roles that may read all statistics';

CREATE OR REPLACE VIEW personalize.progress AS
	/* not by a join, so that work comes before the work within it */
	SELECT p.pid, (SELECT d.datname FROM pg_catalog.pg_database AS d WHERE d.oid = p.datid) AS database, p.relid::pg_catalog.regclass AS relation,
		p.command, p.phase, p.done, p.total, p.unit, p.started_at
	FROM personalize.progress_read_internal() AS p;
COMMENT ON VIEW personalize.progress IS
	'Long work that goes on now, and how far it is: a row for each, work within work one of its own; total is NULL where it is not known beforehand';
