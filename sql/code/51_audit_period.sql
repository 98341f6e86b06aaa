/*
 * Audit: periods of the record of use, made ahead and dropped.
 */
CREATE OR REPLACE FUNCTION personalize.audit_no_event_triggers_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM set_config('session_replication_role', 'replica', true);
	IF current_setting('server_version_num')::integer >= 170000 THEN
		PERFORM set_config('event_triggers', 'off', true);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.audit_no_event_triggers_internal() IS
	'Keeps event triggers from commands of this transaction: they are not about what the audit worker does with its own tables';

CREATE OR REPLACE FUNCTION personalize.audit_partition_internal(period_no bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	per CONSTANT bigint := 100000000000;
	part record;
	holder record;
	leaf text;
	statement text;
BEGIN
	FOR part IN
		SELECT * FROM (VALUES
			('audit_template', 'template_id', ARRAY['ADD PRIMARY KEY (template_id)'],
				ARRAY['INDEX ON %s (template_id) WHERE batch_no IS NULL']),
			('audit_note', 'note_id', ARRAY['ADD PRIMARY KEY (note_id)'], '{}'),
			('audit_use', 'usage_id', ARRAY['ADD PRIMARY KEY (usage_id)', 'ADD UNIQUE (session_id, use_no)'],
				ARRAY['INDEX ON %s USING brin (started_at)', 'INDEX ON %s (everybody_id) WHERE everybody_id IS NOT NULL',
					'INDEX ON %s (usage_id) WHERE batch_no IS NULL']),
			('audit_more', 'usage_id', ARRAY['ADD PRIMARY KEY (usage_id, last_seq)'], '{}'),
			('audit_subject', 'usage_id', ARRAY['ADD PRIMARY KEY (subject_no, usage_id)'], ARRAY['INDEX ON %s (usage_id)']),
			('audit_chunk', 'usage_id', ARRAY['ADD PRIMARY KEY (chunk, usage_id, part)'],
				ARRAY['INDEX ON %s (usage_id)', 'INDEX ON %s (usage_id) WHERE batch_no IS NULL'])
			) AS x (parent, id, constraints, indexes)
	LOOP
		leaf := format('personalize.%I', part.parent || '_p' || audit_partition_internal.period_no);
		CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
		PERFORM personalize.audit_no_event_triggers_internal();
		/* attached after it is made: that locks out no reader */
		EXECUTE format('CREATE TABLE %s (LIKE personalize.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE, CHECK (%3$I >= %4$s AND %3$I < %5$s)) USING heap',
			leaf, part.parent, part.id, per * audit_partition_internal.period_no, per * (audit_partition_internal.period_no + 1));
		EXECUTE format('COMMENT ON TABLE %s IS %L', leaf, format('Part of personalize.%s: period %s of personalize.audit_period',
			part.parent, audit_partition_internal.period_no));
		FOREACH statement IN ARRAY part.constraints LOOP
			EXECUTE format('ALTER TABLE %s %s', leaf, statement);
		END LOOP;
		FOREACH statement IN ARRAY part.indexes LOOP
			EXECUTE 'CREATE ' || format(statement, leaf);
		END LOOP;
		/* whatever default privileges say */
		FOR holder IN
			SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS name
			FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = to_regclass(leaf) AND a.grantee <> c.relowner ORDER BY 1
		LOOP
			EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', leaf, holder.name);
		END LOOP;
		EXECUTE format('ALTER TABLE personalize.%I ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', part.parent, leaf,
			per * audit_partition_internal.period_no, per * (audit_partition_internal.period_no + 1));
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.audit_partition_internal(bigint) IS
	'Makes the partitions of a period of the record of use, where they are not there';

CREATE OR REPLACE FUNCTION personalize.audit_period_internal(seconds integer, OUT period_no bigint, OUT ends_at timestamptz)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	per CONSTANT bigint := 100000000000;
	t timestamptz := clock_timestamp();
	p personalize.audit_period;
	used bigint;
	name text;
BEGIN
	SELECT * INTO p FROM personalize.audit_period AS x ORDER BY x.period_no DESC LIMIT 1;
	IF p.period_no IS NULL OR t >= p.ends_at THEN
		p := (COALESCE(p.period_no + 1, 0), COALESCE(p.ends_at, t), t + make_interval(secs => seconds));
		INSERT INTO personalize.audit_period SELECT p.*;
		/* numbers of the period; never back, whatever a restored dump or a failed transaction has left */
		FOREACH name IN ARRAY '{usage_id_seq,audit_text_seq}'::text[] LOOP
			EXECUTE format('SELECT last_value FROM personalize.%I', name) INTO used;
			IF used < p.period_no * per THEN
				PERFORM setval(format('personalize.%I', name), p.period_no * per);
			END IF;
		END LOOP;
	END IF;
	PERFORM personalize.audit_partition_internal(p.period_no), personalize.audit_partition_internal(p.period_no + 1);
	period_no := p.period_no;
	ends_at := p.ends_at;
END
$$;
COMMENT ON FUNCTION personalize.audit_period_internal(integer) IS
	'Begins the next period of the record of use if it is time, and makes the partitions of the one after; for the audit worker';

CREATE OR REPLACE FUNCTION personalize.audit_batch_period_internal(parts bytea)
RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ('x' || encode(substr(parts, octet_length(parts) - 43, 8), 'hex'))::bit(64)::bigint
$$;
COMMENT ON FUNCTION personalize.audit_batch_period_internal(bytea) IS
	'The newest period of which a batch has rows, from its column parts; -1: of none';

CREATE OR REPLACE FUNCTION personalize.audit_due_internal(retention integer)
RETURNS bigint
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.period_no + 1 FROM (SELECT x.* FROM personalize.audit_period AS x ORDER BY x.period_no LIMIT 1) AS p
	WHERE p.ends_at <= clock_timestamp() - make_interval(secs => retention)
	  AND EXISTS (SELECT FROM personalize.audit_period AS x WHERE x.period_no > p.period_no)
	  /* what the chain says of the time, too */
	  AND NOT EXISTS (SELECT FROM personalize.audit_batch AS b
			WHERE b.made_at > clock_timestamp() - make_interval(secs => retention)
				AND personalize.audit_batch_period_internal(b.parts) = p.period_no)
	  AND NOT EXISTS (SELECT FROM personalize.audit_open AS o
			WHERE o.usage_id >= p.period_no * 100000000000 AND o.usage_id < (p.period_no + 1) * 100000000000)
	  AND NOT EXISTS (SELECT FROM personalize.audit_lease AS l JOIN personalize.audit_use AS u USING (session_id, use_no)
			WHERE l.expires_at > clock_timestamp() - interval '1 hour'
				AND u.usage_id >= p.period_no * 100000000000 AND u.usage_id < (p.period_no + 1) * 100000000000)
$$;
COMMENT ON FUNCTION personalize.audit_due_internal(integer) IS
	'The period that the record begins with once the oldest is dropped; none if that is not older than so many seconds, or uses or leases that began in it go on';

CREATE OR REPLACE FUNCTION personalize.audit_drop_internal(retention integer, system_identifier bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keep bigint := personalize.audit_due_internal(retention);
	began timestamptz;
	last personalize.audit_dropped;
	first bigint;
	final personalize.audit_batch;
	name text;
BEGIN
	IF keep IS NULL THEN
		RETURN false;
	END IF;
	PERFORM personalize.audit_no_event_triggers_internal();
	/*
	 * One period at a time, which takes few locks.  Readers of the view usage
	 * come by audit_use; who waits for the others while we have that would make
	 * a deadlock.
	 */
	BEGIN
		PERFORM set_config('lock_timeout', '1s', true);
		LOCK TABLE ONLY personalize.audit_use IN ACCESS EXCLUSIVE MODE;
		FOREACH name IN ARRAY '{audit_use,audit_more,audit_subject,audit_chunk,audit_template,audit_note}'::text[] LOOP
			EXECUTE format('LOCK TABLE ONLY personalize.%I IN ACCESS EXCLUSIVE MODE NOWAIT', name);
			CONTINUE WHEN to_regclass(format('personalize.%I', name || '_p' || keep - 1)) IS NULL;
			EXECUTE format('LOCK TABLE personalize.%I IN ACCESS EXCLUSIVE MODE NOWAIT', name || '_p' || keep - 1);
			/* nobody has a right to it, but a view can be made of what one may not read */
			EXECUTE format('DROP TABLE personalize.%I CASCADE', name || '_p' || keep - 1);
		END LOOP;
		PERFORM set_config('lock_timeout', '0', true);
	EXCEPTION
		WHEN lock_not_available OR deadlock_detected OR object_in_use THEN
			RETURN NULL;
		WHEN query_canceled THEN
			RAISE;
		WHEN OTHERS THEN
			RAISE WARNING 'a period of the record of use could not be dropped: %', SQLERRM;
			RETURN NULL;
	END;

	SELECT p.starts_at INTO began FROM personalize.audit_period AS p WHERE p.period_no >= keep ORDER BY p.period_no LIMIT 1;
	/* batches of which nothing is left; the chain begins after the last of them */
	SELECT * INTO last FROM personalize.audit_dropped AS d ORDER BY d.drop_no DESC LIMIT 1;
	SELECT b.batch_no INTO first FROM personalize.audit_batch AS b
		WHERE personalize.audit_batch_period_internal(b.parts) >= keep ORDER BY b.batch_no LIMIT 1;
	SELECT * INTO final FROM personalize.audit_batch AS b
		WHERE first IS NULL OR b.batch_no < first ORDER BY b.batch_no DESC LIMIT 1;
	PERFORM personalize.ledger_unlock_internal(true);
	DELETE FROM personalize.audit_period AS p WHERE p.period_no < keep;
	/* what does not go with a period is chained anew */
	UPDATE personalize.audit_gap AS g SET batch_no = NULL, link = NULL WHERE g.batch_no <= final.batch_no;
	DELETE FROM personalize.audit_dropped AS d WHERE d.batch_no <= final.batch_no;
	DELETE FROM personalize.audit_batch AS b WHERE b.batch_no <= final.batch_no;
	PERFORM personalize.ledger_unlock_internal(false);
	INSERT INTO personalize.audit_dropped (dropped_at, keep_from, ended_at, lsn, system_identifier, last_batch, total, head)
		VALUES (clock_timestamp(), keep, LEAST(began, clock_timestamp()), COALESCE(final.lsn, last.lsn, '0/0'), system_identifier,
			COALESCE(final.batch_no, last.last_batch, 0), COALESCE(final.total, last.total, 0),
			COALESCE(final.head, last.head, decode(repeat('00', 32), 'hex')));
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.audit_drop_internal(integer, bigint) IS
	'Drops the oldest period of the record of use if it is older than so many seconds. False: it is not; NULL: somebody reads it. For the audit worker, which chains what this has written';
