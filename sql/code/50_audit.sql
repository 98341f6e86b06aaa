/*
 * Audit: what can be asked about the use of personal data.
 */
CREATE OR REPLACE VIEW personalize.usage AS
	SELECT u.usage_id, u.started_at, COALESCE(m.ended_at, u.ended_at) AS ended_at, u.status, t.db_role, t.session_role,
		CASE WHEN u.use_no >= 0 THEN n.app_user END AS app_user, n.application_name, n.client_addr, u.pid, u.session_id,
		t.purpose, t.legal_basis, t.relation::pg_catalog.regclass AS relation, t.relation_name,
		CASE WHEN u.use_no >= 0 THEN t.columns END AS columns, CASE WHEN u.use_no >= 0 THEN t.categories END AS categories,
		GREATEST(u.rows_used, m.rows_used) AS rows_used,
		GREATEST(u.rows_withheld, m.rows_withheld) AS rows_withheld,
		u.subjects_used + COALESCE(m.subjects_added, 0) AS subjects_used, u.precision,
		CASE WHEN u.use_no >= 0 THEN t.query_id END AS query_id, CASE WHEN u.use_no >= 0 THEN t.query END AS query,
		CASE WHEN u.use_no >= 0 THEN n.context END AS context,
		CASE WHEN u.status <> 'crashed' THEN t.reason
			WHEN u.use_no >= 0 THEN 'the server stopped without notice'
			ELSE 'the server stopped without notice; uses of this session just before may not be on record by themselves'
			END AS reason,
		u.everybody_id IS NOT NULL AS everybody
	FROM (
		SELECT * FROM personalize.audit_use
		UNION ALL
		SELECT * FROM personalize.audit_open
	) u
	LEFT JOIN personalize.audit_template t ON t.template_id = u.template_id
	LEFT JOIN (
		SELECT x.usage_id, pg_catalog.max(x.ended_at) AS ended_at, pg_catalog.max(x.rows_used) AS rows_used,
			pg_catalog.max(x.rows_withheld) AS rows_withheld, pg_catalog.sum(x.subjects_added)::bigint AS subjects_added
		FROM personalize.audit_more x GROUP BY x.usage_id
	) m ON m.usage_id = u.usage_id
	LEFT JOIN personalize.audit_note n ON n.note_id = u.note_id;
COMMENT ON VIEW personalize.usage IS
	'Who used personal data for what: one row for each statement, protected relation and purpose';

CREATE OR REPLACE VIEW personalize.observed AS
	SELECT u.relation_name, u.db_role, u.application_name, u.purpose,
		CASE WHEN u.reason LIKE 'observed: %' THEN pg_catalog.substr(u.reason, 11) ELSE 'rows withheld' END AS would_be,
		u.query, pg_catalog.count(*) AS uses, pg_catalog.sum(u.rows_withheld) AS rows_withheld,
		pg_catalog.min(u.started_at) AS first_seen, pg_catalog.max(u.started_at) AS last_seen
	FROM personalize.usage AS u
		JOIN personalize.registry_relation AS r ON r.relid = u.relation::oid AND r.mode = 'observe'
	WHERE u.status <> 'refused' AND (u.reason LIKE 'observed: %' OR u.rows_withheld > 0)
	GROUP BY 1, 2, 3, 4, 5, 6;
COMMENT ON VIEW personalize.observed IS
	'What would be refused, or which rows withheld, if observed relations were protected: what to change in applications first';

/* ------------------------------------------------------------ sets of subjects */

CREATE OR REPLACE FUNCTION personalize.audit_set_pack_internal(members integer[])
RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'personalize_audit_set_pack';
COMMENT ON FUNCTION personalize.audit_set_pack_internal(integer[]) IS
	'Packs numbers from 0 to 15359 into a set';

CREATE OR REPLACE FUNCTION personalize.audit_set_has_internal(members bytea, subject_no bigint)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'personalize_audit_set_has';
COMMENT ON FUNCTION personalize.audit_set_has_internal(bytea, bigint) IS
	'Is the subject in the packed set of its chunk?';

CREATE OR REPLACE FUNCTION personalize.audit_set_members_internal(members bytea, chunk integer)
RETURNS SETOF bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 1000
AS 'MODULE_PATHNAME', 'personalize_audit_set_members';
COMMENT ON FUNCTION personalize.audit_set_members_internal(bytea, integer) IS
	'The subject numbers in the packed set of a chunk';

CREATE OR REPLACE FUNCTION personalize.audit_numbers_internal(usage_id bigint)
RETURNS SETOF bigint
LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	WITH ids AS (
		SELECT $1 AS id
		UNION
		SELECT u.everybody_id FROM personalize.audit_use u
		WHERE u.usage_id = $1 AND u.everybody_id IS NOT NULL
	)
	SELECT s.subject_no FROM personalize.audit_subject s JOIN ids ON s.usage_id = ids.id
	UNION
	SELECT m.subject_no
	FROM personalize.audit_chunk c JOIN ids ON c.usage_id = ids.id,
		LATERAL personalize.audit_set_members_internal(c.members, c.chunk) AS m(subject_no)
$$;
COMMENT ON FUNCTION personalize.audit_numbers_internal(bigint) IS
	'Numbers of the subjects of a use';

CREATE OR REPLACE FUNCTION personalize.subjects_of(usage_id bigint)
RETURNS TABLE (kind text, subject text)
LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT COALESCE(k.name, CASE COALESCE(s.kind_id, a.kind_id) WHEN 0 THEN 'subject' END), COALESCE(s.key, a.key)
	FROM personalize.audit_numbers_internal($1) AS m(subject_no)
	LEFT JOIN personalize.subject s USING (subject_no)
	LEFT JOIN personalize.audit_key a USING (subject_no)
	LEFT JOIN personalize.registry_kind k ON k.kind_id = COALESCE(s.kind_id, a.kind_id)
	ORDER BY m.subject_no
$$;
COMMENT ON FUNCTION personalize.subjects_of(bigint) IS
	'Whose data a use saw; the subject is NULL for a person who was erased';

CREATE OR REPLACE FUNCTION personalize.usage_of(subject text, since timestamptz DEFAULT '-infinity',
	until timestamptz DEFAULT 'infinity', kind text DEFAULT 'subject')
RETURNS SETOF personalize.usage
LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	wanted_kind integer := personalize.kind_id_internal(usage_of.kind);
	wanted_key text := personalize.canonical_key_internal(usage_of.kind, usage_of.subject);
	wanted bigint;
	ids bigint[] := '{}';
BEGIN
	/* a person can have two numbers: of the time before the first event, and since */
	FOR wanted IN
		SELECT i.subject_no FROM personalize.identities_internal(wanted_kind, wanted_key) AS i WHERE i.subject_no IS NOT NULL
		UNION ALL
		SELECT a.subject_no FROM personalize.identities_internal(wanted_kind, wanted_key) AS i
			JOIN personalize.audit_key a ON a.kind_id = i.kind_id AND a.key = i.key COLLATE "C"
	LOOP
		ids := ids || ARRAY(
			SELECT s.usage_id FROM personalize.audit_subject s WHERE s.subject_no = wanted
			UNION
			SELECT c.usage_id FROM personalize.audit_chunk c
			WHERE c.chunk = (wanted / 15360)::integer
			  AND personalize.audit_set_has_internal(c.members, wanted));
	END LOOP;
	/* sets of everybody after a crash */
	ids := ids || ARRAY(SELECT u.usage_id FROM personalize.audit_use u
		WHERE u.everybody_id IS NOT NULL AND u.everybody_id = ANY (ids) AND u.usage_id <> ALL (ids));
	RETURN QUERY
		SELECT u.* FROM personalize.usage u
		WHERE u.usage_id = ANY (ids)
		  AND COALESCE(u.ended_at, 'infinity') >= usage_of.since AND u.started_at <= usage_of.until
		ORDER BY u.usage_id;
END
$$;
COMMENT ON FUNCTION personalize.usage_of(text, timestamptz, timestamptz, text) IS
	'Uses that saw data of a person';

CREATE OR REPLACE FUNCTION personalize.audit_sync()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'personalize_audit_sync';
COMMENT ON FUNCTION personalize.audit_sync() IS
	'Returns once every use that has ended is readable in usage';

CREATE OR REPLACE FUNCTION personalize.audit_begin_sync_internal(relation regclass)
RETURNS pg_lsn
LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
AS 'MODULE_PATHNAME', 'personalize_audit_begin_sync';
COMMENT ON FUNCTION personalize.audit_begin_sync_internal(regclass) IS
	'Has the audit worker write the uses that have ended; what audit_end_sync_internal() takes to wait for that; NULL if it cannot, since this transaction has locked the relation';

CREATE OR REPLACE FUNCTION personalize.audit_end_sync_internal(target pg_lsn)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
AS 'MODULE_PATHNAME', 'personalize_audit_end_sync';
COMMENT ON FUNCTION personalize.audit_end_sync_internal(pg_lsn) IS
	'Returns once every use that had ended then is readable in usage; 0/0: as audit_sync()';

CREATE OR REPLACE FUNCTION personalize.note_use_internal(relation oid, columns text, purpose_id integer, numbers bigint[]) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'personalize_note_use';
COMMENT ON FUNCTION personalize.note_use_internal(oid, text, integer, bigint[]) IS
	'Puts on record that whoever asks uses what a table of the extension has of persons, for a purpose';
CREATE OR REPLACE FUNCTION personalize.may_use_internal(purpose_id integer) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'personalize_may_use';
COMMENT ON FUNCTION personalize.may_use_internal(integer) IS 'Has whoever asks been granted a purpose?';

/* --------------------------------------------------------------- after a crash */

CREATE OR REPLACE FUNCTION personalize.audit_census_internal(relid oid)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	path record;
BEGIN
	FOR path IN
		SELECT p.path_id, p.kind_id FROM personalize.registry_path p
		WHERE p.relid = audit_census_internal.relid ORDER BY p.path_id
	LOOP
		INSERT INTO personalize.audit_key (kind_id, key)
			SELECT path.kind_id, k.key
			FROM (SELECT DISTINCT r.key COLLATE "C" AS key
				FROM personalize.rights_select_keys_internal(path.path_id) AS r(key)
				WHERE r.key IS NOT NULL AND pg_catalog.octet_length(r.key) <= 1024) k
			WHERE NOT EXISTS (SELECT FROM personalize.subject s
				WHERE s.kind_id = path.kind_id AND s.key = k.key)
			  AND NOT EXISTS (SELECT FROM personalize.audit_key a
				WHERE a.kind_id = path.kind_id AND a.key = k.key)
			  AND NOT EXISTS (SELECT FROM personalize.tombstone t
				WHERE t.digest = personalize.tombstone_digest_internal(path.kind_id, k.key));
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.audit_census_internal(oid) IS
	'Gives a number to everybody of whom a protected relation has rows';

CREATE OR REPLACE FUNCTION personalize.audit_everybody_internal(usage_id bigint, relid oid, purpose_id integer,
	legal_basis text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	by_consent boolean := COALESCE(audit_everybody_internal.legal_basis IN ('consent', 'explicit_consent'), false)
		AND NOT EXISTS (SELECT FROM personalize.registry_relation r
			WHERE r.relid = audit_everybody_internal.relid AND r.mode = 'observe');
	kinds integer[] := ARRAY(SELECT DISTINCT p.kind_id FROM personalize.registry_path p
		WHERE p.relid = audit_everybody_internal.relid);
	purposes integer[];
BEGIN
	IF NOT by_consent THEN
		BEGIN
			PERFORM personalize.audit_census_internal(audit_everybody_internal.relid);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO personalize.audit_gap (reason)
				VALUES (pg_catalog.format('use %s was cut off by a crash, and the people in its relation could not be counted (%s)',
					audit_everybody_internal.usage_id, SQLSTATE));
		END;
	END IF;
	WITH RECURSIVE up AS (
		SELECT audit_everybody_internal.purpose_id AS id
		UNION
		SELECT p.parent_id FROM personalize.registry_purpose_parent p JOIN up ON p.purpose_id = up.id
	)
	SELECT pg_catalog.array_agg(up.id) INTO purposes FROM up;

	INSERT INTO personalize.audit_chunk (chunk, usage_id, part, members)
		SELECT (s.subject_no / 15360)::integer, audit_everybody_internal.usage_id, 0,
			personalize.audit_set_pack_internal(pg_catalog.array_agg((s.subject_no % 15360)::integer))
		FROM (SELECT x.subject_no, x.kind_id FROM personalize.subject x
			UNION ALL SELECT a.subject_no, a.kind_id FROM personalize.audit_key a) AS s
		WHERE (pg_catalog.cardinality(kinds) = 0 OR s.kind_id = ANY (kinds))
		  AND (NOT by_consent
			   OR EXISTS (SELECT FROM personalize.consent_event e
					WHERE e.subject_no = s.subject_no AND e.purpose_id = ANY (purposes) AND e.action = 'given'))
		GROUP BY s.subject_no / 15360;
END
$$;
COMMENT ON FUNCTION personalize.audit_everybody_internal(bigint, oid, integer, text) IS
	'Stores the set of all who may have been used for a purpose, never too few';

CREATE OR REPLACE FUNCTION personalize.audit_is_over_internal(boot bigint, mine bigint, standby bigint)
RETURNS boolean
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $3 IS NOT NULL THEN $1 = $3
		ELSE $1 IS DISTINCT FROM $2 AND NOT EXISTS (SELECT FROM personalize.standby_log l WHERE l.boot_id = $1 AND NOT l.ended) END
$$;
COMMENT ON FUNCTION personalize.audit_is_over_internal(bigint, bigint, bigint) IS
	'Is a run of a server over: not this one, and none of a standby that may go on; or is it that of a standby (NULL: any)?';

CREATE OR REPLACE FUNCTION personalize.audit_crash_internal(boot_id bigint, seen_at timestamptz, standby bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	noticed_at timestamptz := pg_catalog.clock_timestamp();
	crashed bigint := 0;
	victim record;
	place text;
	sets jsonb := '{}';
	sizes jsonb := '{}';
	set_id bigint;
	this_id bigint;
	subjects bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM personalize.audit_open o WHERE personalize.audit_is_over_internal(o.boot_id, audit_crash_internal.boot_id, audit_crash_internal.standby))
	   AND NOT EXISTS (SELECT FROM personalize.audit_lease l WHERE personalize.audit_is_over_internal(l.boot_id, audit_crash_internal.boot_id, audit_crash_internal.standby)) THEN
		RETURN 0;
	END IF;

	/*
	 * Uses that never ended; and leases that had not run out, which stand for
	 * uses whose record may be lost.  Who it was is in the use that came with
	 * the lease.
	 */
	FOR victim IN
		SELECT x.*, t.purpose_id, t.legal_basis, t.relation
		FROM (
			SELECT o.*, NULL::timestamptz AS lease_from, NULL::timestamptz AS lease_until
			FROM personalize.audit_open o
			WHERE personalize.audit_is_over_internal(o.boot_id, audit_crash_internal.boot_id, audit_crash_internal.standby)
			UNION ALL
			SELECT u.*, l.started_at, l.expires_at
			FROM personalize.audit_lease l
			JOIN (SELECT * FROM personalize.audit_use UNION ALL SELECT * FROM personalize.audit_open) u
				ON u.session_id = l.session_id AND u.use_no = l.use_no
			WHERE personalize.audit_is_over_internal(l.boot_id, audit_crash_internal.boot_id, audit_crash_internal.standby)
			  AND (l.expires_at > audit_crash_internal.seen_at OR audit_crash_internal.seen_at IS NULL)
		) x JOIN personalize.audit_template t ON t.template_id = x.template_id
		ORDER BY x.usage_id
	LOOP
		/* everybody then permitted: one set for each relation and purpose, under a number of its own */
		place := pg_catalog.format('%s %s %s', victim.relation, victim.purpose_id, victim.legal_basis);
		set_id := (sets ->> place)::bigint;
		IF set_id IS NULL THEN
			set_id := pg_catalog.nextval('personalize.usage_id_seq');
			PERFORM personalize.audit_everybody_internal(set_id, victim.relation, victim.purpose_id, victim.legal_basis);
			SELECT pg_catalog.count(*) INTO subjects FROM personalize.audit_numbers_internal(set_id);
			sets := sets || pg_catalog.jsonb_build_object(place, set_id);
			sizes := sizes || pg_catalog.jsonb_build_object(place, subjects);
		END IF;
		subjects := (sizes ->> place)::bigint;

		IF victim.lease_until IS NULL THEN
			this_id := victim.usage_id;
			IF victim.subjects_used > 0 THEN
				SELECT pg_catalog.count(*) INTO subjects
				FROM (SELECT personalize.audit_numbers_internal(set_id)
					UNION SELECT personalize.audit_numbers_internal(this_id)) x;
			END IF;
			INSERT INTO personalize.audit_use (usage_id, session_id, use_no, last_seq, started_at, ended_at, status,
					pid, template_id, note_id, subjects_used, precision, boot_id, everybody_id)
				VALUES (this_id, victim.session_id, victim.use_no, victim.last_seq, victim.started_at, noticed_at, 'crashed',
					victim.pid, victim.template_id, victim.note_id, subjects, 'superset', victim.boot_id, set_id);
		ELSE
			this_id := pg_catalog.nextval('personalize.usage_id_seq');
			/* of a period before this one, which is dropped before it: the record of this one has its own */
			IF victim.template_id / 100000000000 < this_id / 100000000000 THEN
				INSERT INTO personalize.audit_template
					SELECT (jsonb_populate_record(t, jsonb_build_object('template_id', pg_catalog.nextval('personalize.audit_text_seq'),
						'batch_no', NULL, 'link', NULL))).*
					FROM personalize.audit_template AS t WHERE t.template_id = victim.template_id
					RETURNING template_id INTO STRICT victim.template_id;
				victim.note_id := NULL;
			END IF;
			INSERT INTO personalize.audit_use (usage_id, session_id, use_no, last_seq, started_at, ended_at, status,
					pid, template_id, note_id, subjects_used, precision, boot_id, everybody_id)
				VALUES (this_id, victim.session_id, -victim.use_no, 0, victim.lease_from,
					LEAST(victim.lease_until, noticed_at), 'crashed',
					victim.pid, victim.template_id, victim.note_id, subjects, 'superset', victim.boot_id, set_id);
		END IF;
		crashed := crashed + 1;
	END LOOP;

	DELETE FROM personalize.audit_lease l WHERE personalize.audit_is_over_internal(l.boot_id, audit_crash_internal.boot_id, audit_crash_internal.standby);
	DELETE FROM personalize.audit_open o WHERE personalize.audit_is_over_internal(o.boot_id, audit_crash_internal.boot_id, audit_crash_internal.standby);
	RETURN crashed;
END
$$;
COMMENT ON FUNCTION personalize.audit_crash_internal(bigint, timestamptz, bigint) IS
	'Closes the uses and leases of other runs of the server (NULL: of any), or of that run of a standby, as crashed; for the audit worker';

/* ------------------------------------------------------------------- health */

CREATE OR REPLACE FUNCTION personalize.audit_worker_internal(OUT pid integer, OUT ready boolean, OUT slot boolean,
	OUT want pg_lsn, OUT done pg_lsn, OUT behind bigint, OUT messages bigint, OUT bad bigint, OUT holes bigint,
	OUT failing_since timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'personalize_audit_worker';
COMMENT ON FUNCTION personalize.audit_worker_internal() IS
	'State of the audit worker of this database since the start of the server';

CREATE OR REPLACE FUNCTION personalize.audit_writable_internal()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'personalize_audit_writable';
COMMENT ON FUNCTION personalize.audit_writable_internal() IS
	'Can uses be recorded now? Asks for the audit worker if there is none, and waits a little for it';

CREATE OR REPLACE FUNCTION personalize.audit_status_internal()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	w record;
	needless boolean := NOT EXISTS (SELECT FROM personalize.registry_relation);
	consent_set record;
	keep text := pg_catalog.current_setting('max_slot_wal_keep_size');
	idle text := NULLIF(pg_catalog.current_setting('idle_replication_slot_timeout', true), '0');
	level text := pg_catalog.current_setting('wal_level');
	gaps bigint := (SELECT pg_catalog.count(*) FROM personalize.audit_gap g WHERE g.settled_at IS NULL);
	standby boolean := pg_catalog.pg_is_in_recovery();
	reads text := COALESCE(pg_catalog.current_setting('personalize.standby_reads', true), 'off');
	lag interval := pg_catalog.current_setting('personalize.max_replay_lag', true)::interval;
	age interval := CASE WHEN standby AND pg_catalog.current_setting('personalize.standby_reads', true) IS NOT NULL THEN personalize.standby_age() END;
	files bigint;
	retention integer := (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'personalize.audit_retention');
	late bigint := (SELECT pg_catalog.min(p.period_no) FROM personalize.audit_period p WHERE retention > 0 AND NOT pg_catalog.pg_is_in_recovery()
		AND p.ends_at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => retention + 86400)
		AND p.period_no < (SELECT pg_catalog.max(x.period_no) FROM personalize.audit_period x));
BEGIN
	SELECT * INTO w FROM personalize.audit_worker_internal();
	/* whoever looks before the first use of all shall not find that something is wrong */
	IF w.pid IS NULL AND NOT needless AND NOT standby THEN
		PERFORM personalize.audit_writable_internal();
		SELECT * INTO w FROM personalize.audit_worker_internal();
	END IF;
	RETURN QUERY SELECT 'audit wal_level', level <> 'minimal', level,
		CASE level WHEN 'minimal' THEN 'Set wal_level to replica and restart the server.' END;
	RETURN QUERY SELECT 'audit worker',
		standby OR (w.pid IS NOT NULL AND w.ready AND w.failing_since IS NULL) OR (w.pid IS NULL AND needless),
		CASE WHEN w.pid IS NULL AND needless THEN 'not needed: nothing is protected'
			WHEN w.failing_since IS NOT NULL THEN 'failing'
			WHEN w.pid IS NULL THEN 'not running'
			WHEN NOT w.ready THEN 'starting'
			ELSE pg_catalog.format('running, %s messages since the start of the server', w.messages) END,
		CASE WHEN w.pid IS NULL AND needless THEN NULL
			WHEN w.failing_since IS NOT NULL THEN
			'It is started again and again, and the server log says why that fails: the disk may be full, or max_worker_processes, max_replication_slots or personalize.max_databases too low. After a minute of this protected relations are closed.'
			WHEN w.pid IS NULL THEN
			'It starts with the first use of a protected relation, or when somebody looks here. If it does not, see the server log; max_worker_processes, max_replication_slots or personalize.max_databases may be too low.' END;
	RETURN QUERY SELECT 'audit slot', w.slot OR (standby OR w.pid IS NULL),
		CASE WHEN w.slot THEN 'present' ELSE 'absent' END,
		CASE WHEN NOT w.slot AND NOT needless THEN 'The audit worker makes a replication slot when it starts.' END;
	RETURN QUERY SELECT 'audit lag', COALESCE(w.behind, 0) < 256 * 1024 * 1024,
		pg_catalog.format('%s bytes of write-ahead log', COALESCE(w.behind, 0)),
		CASE WHEN w.behind >= 256 * 1024 * 1024 THEN
			'The audit worker is slow or waits for a lock; write-ahead log piles up.' END;
	RETURN QUERY SELECT 'audit messages', COALESCE(w.bad, 0) = 0 AND COALESCE(w.holes, 0) = 0,
		pg_catalog.format('%s forged or sent again, %s missing', COALESCE(w.bad, 0), COALESCE(w.holes, 0)),
		CASE WHEN w.bad > 0 OR w.holes > 0 THEN 'Somebody tampers with the audit; the server log has the details.' END;
	RETURN QUERY SELECT 'audit retention', late IS NULL,
		CASE WHEN NOT EXISTS (SELECT FROM personalize.audit_period) THEN 'nothing is on record yet' ELSE pg_catalog.format('periods %s to %s, since %s', (SELECT pg_catalog.min(p.period_no) FROM personalize.audit_period p),
			(SELECT pg_catalog.max(p.period_no) FROM personalize.audit_period p), (SELECT pg_catalog.min(p.starts_at) FROM personalize.audit_period p)) END,
		CASE WHEN late IS NOT NULL THEN pg_catalog.format('Period %s is older than personalize.audit_retention by a day and not dropped: a use that began in it has not ended, or somebody holds a lock on the record.', late) END;
	SELECT pg_catalog.count(*) INTO files
		FROM pg_catalog.pg_ls_dir((SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'personalize.standby_log_directory'), true, false) AS f (name)
		WHERE f.name ~ ('^' || (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) || '[.][0-9]+[.]log$');
	RETURN QUERY SELECT 'standby', CASE WHEN standby THEN reads = 'off' OR COALESCE(age <= lag, false) ELSE files = 0 END,
		CASE WHEN NOT standby THEN pg_catalog.format('%s runs of standbys are not ended, %s files of this server''s own from when it was a standby',
				(SELECT pg_catalog.count(DISTINCT l.boot_id) FROM personalize.standby_log l WHERE NOT l.ended), files)
			WHEN reads = 'off' THEN 'protected relations cannot be used here'
			ELSE pg_catalog.format('uses are logged in %s files; what is known of consent may be %s old', files, COALESCE(age::text, 'any time')) END,
		CASE WHEN NOT standby AND files > 0 THEN
				'Take them in by personalize.ingest_standby_log(), in the order of their numbers, the last one with last => true.'
			WHEN standby AND reads <> 'off' AND (age <= lag) IS NOT TRUE THEN
			'That is more than personalize.max_replay_lag: protected reads are refused. See pg_stat_wal_receiver, and personalize.heartbeat on the primary server.' END;
	RETURN QUERY SELECT 'audit gaps', gaps = 0, pg_catalog.format('%s not settled', gaps),
		CASE WHEN gaps > 0 THEN 'See personalize.audit_gap; set settled_at when you have looked into it.' END;
	SELECT * INTO consent_set FROM personalize.consent_set_internal();
	RETURN QUERY SELECT 'consent set', true,
		CASE consent_set.state WHEN 'ready' THEN pg_catalog.format('%s for %s purposes, %s persons read from the ledger',
				pg_catalog.pg_size_pretty(consent_set.bytes), pg_catalog.cardinality(consent_set.purposes), consent_set.pending)
			ELSE consent_set.state END,
		CASE WHEN consent_set.state <> 'ready' THEN 'Consent is read from the ledger, person by person. See the server log, personalize.consent_memory and max_worker_processes.' END;
	RETURN QUERY SELECT 'audit max_slot_wal_keep_size', keep = '-1', keep,
		CASE WHEN keep <> '-1' THEN 'Set it to -1: a limit can throw away write-ahead log that the audit has not read.' END;
	/* PostgreSQL 18 */
	RETURN QUERY SELECT 'audit idle_replication_slot_timeout'::text, false, idle,
		'Set it to 0: while no audit worker runs it can throw away write-ahead log that the audit has not read.'::text WHERE idle IS NOT NULL;
END
$$;
COMMENT ON FUNCTION personalize.audit_status_internal() IS 'The part of status() that is about the audit';
