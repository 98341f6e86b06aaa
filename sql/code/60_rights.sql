/*
 * Rights: erasing persons, each with a certificate, and letting an erased
 * person come back.
 *
 * One set of statements erases all of a batch, which may be of one: the steps
 * (erase_steps_internal()) with the keys of all whose rows no legal hold is on.
 *
 * Order of locks: the rows of the subjects by their numbers, then the
 * relations in the order in which their rows are deleted (children before
 * parents), last the numbers of the audit worker.  The worker is waited for
 * before that, and never after: it would wait for us.  Where a step could change what a later one finds, all rows are
 * counted before the first is deleted, so that a cascade does not hide any;
 * they always are at the end, when none may be left.
 *
 * A certificate names relations and counts; no key, no number of a subject.
 * What two of a batch own is counted for both.
 */

CREATE OR REPLACE FUNCTION personalize.erase_certify_internal(kind_id integer, kind text, keys text[], reason text, dry_run boolean, sync_to pg_lsn, begun_at timestamptz,
	prepared personalize.erase_prepared, tally personalize.erase_tally, holds personalize.erase_holds, copies jsonb[])
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan	/* by index, however many there are */
AS $$
#variable_conflict use_column
DECLARE
	erased_at timestamptz;
	uses record;
	gone record;
	shown bigint;
BEGIN
	IF NOT dry_run THEN
		IF sync_to IS NOT NULL THEN
			/* what was said of the persons before must be there to be taken away */
			shown := personalize.progress_internal('erase_subjects', 'waiting for the audit worker');
			PERFORM personalize.audit_end_sync_internal(sync_to);
		END IF;
		shown := personalize.progress_internal('erase_subjects', 'forgetting keys');
		/* the audit worker must not write a key anew before it can see the tombstone */
		LOCK TABLE personalize.audit_key IN SHARE ROW EXCLUSIVE MODE;
	END IF;
	/* under the lock: no other erasure has the same */
	erased_at := clock_timestamp();
	uses := personalize.erase_uses_internal(erase_certify_internal.kind_id, keys, holds.known_keys, holds.known_nos, begun_at);
	/* they come in order, and are too large to be sorted again for each list */
	SELECT coalesce(jsonb_agg(c.certificate), '[]') AS certificates, coalesce(array_agg(c.key) FILTER (WHERE c.there), '{}') AS keys,
			coalesce(array_agg((c.certificate ->> 'erased_at')::timestamptz) FILTER (WHERE c.there), '{}') AS times,
			array_agg(c.certificate) FILTER (WHERE c.there) AS documents
		INTO gone
		FROM personalize.erase_certificates_internal(keys, prepared.steps, tally, holds.known_keys, holds.known_nos, uses.found_keys, uses.found_uses, copies,
			erased_at, jsonb_strip_nulls(jsonb_build_object('dry_run', dry_run, 'kind', erase_certify_internal.kind, 'reason', erase_certify_internal.reason,
				'cascades', personalize.erase_cascades_internal(erase_certify_internal.kind_id, prepared.steps, prepared.acting),
				'retained', jsonb_build_array(
					'consent_event: what was said about which purpose and when, without key, evidence and user',
					'usage: that and how data was used, without the key of the subject',
					'tombstone: a keyed digest, so that rows that come back under the key are withheld'),
				'pending_physical', jsonb_build_array(
					'deleted row versions, until VACUUM removes them',
					'write-ahead log, archived write-ahead log and replicas that lag',
					'backups taken before',
					'planner statistics, until the next ANALYZE')))) AS c;
	/* where nobody was there a tombstone would only keep a future person out */
	IF dry_run OR cardinality(gone.keys) = 0 THEN
		RETURN gone.certificates;
	END IF;

	PERFORM personalize.ledger_unlock_internal(true);
	/* of whom nothing is retained or held any more, by another rule than before, no key is kept */
	DELETE FROM personalize.retained AS t USING personalize.registry_path AS p
		WHERE p.path_id = t.path_id AND p.kind_id = erase_certify_internal.kind_id AND t.key = ANY (gone.keys)
			AND NOT EXISTS (SELECT FROM unnest(tally.steps, tally.keys, tally.rows, tally.held) AS f (step, key, rows, held) JOIN unnest(prepared.steps) AS x ON x.step = f.step
				WHERE f.key = t.key AND x.path_id = t.path_id AND f.rows > 0 AND (f.held OR x.action = 'retain'));
	/* what is held, or retained for a time, can only be found again by the key */
	IF prepared.retains THEN
		INSERT INTO personalize.retained AS t (path_id, key, reason, until)
			SELECT x.path_id, f.key, x.reason, erased_at + x.keep_for
			FROM unnest(tally.steps, tally.keys, tally.rows, tally.held) AS f (step, key, rows, held) JOIN unnest(prepared.steps) AS x ON x.step = f.step
			WHERE x.action = 'retain' AND x.keep_for IS NOT NULL AND f.rows > 0 AND NOT f.held
			ON CONFLICT DO NOTHING;
	END IF;
	IF holds.keys IS NOT NULL THEN
		UPDATE personalize.hold AS h SET key = u.key
			FROM unnest(holds.known_keys, holds.known_nos) AS u (key, no)
			WHERE h.subject_no = u.no AND h.released_at IS NULL
				AND EXISTS (SELECT FROM unnest(tally.steps, tally.keys, tally.rows, tally.held) AS f (step, key, rows, held) JOIN unnest(prepared.steps) AS x ON x.step = f.step
					WHERE f.held AND f.rows > 0 AND f.key = u.key AND (h.relation IS NULL OR x.relid = ANY (personalize.hold_reach_internal(h.relation))));
	END IF;
	/* what was requested is done */
	UPDATE personalize.erasure_request AS q SET status = 'done', key = NULL, certificate_id = (gone.documents[array_position(gone.keys, q.key)] ->> 'certificate_id')::uuid
		WHERE q.key IS NOT NULL AND q.kind_id = erase_certify_internal.kind_id AND q.key = ANY (gone.keys);
	PERFORM personalize.erase_forget_internal(erase_certify_internal.kind_id, gone.keys, gone.times, holds.known_keys, holds.known_nos);
	INSERT INTO personalize.erasure (certificate_id, certificate, erased_at, erased_by, transaction_id, wal_lsn, system_identifier)
		SELECT (u.document ->> 'certificate_id')::uuid, u.document, u.at, session_user, pg_current_xact_id(), pg_current_wal_insert_lsn(),
			(SELECT a.system_identifier FROM personalize.registry_anchor AS a)
		FROM unnest(gone.documents, gone.times) AS u (document, at);
	PERFORM personalize.ledger_unlock_internal(false);
	RETURN gone.certificates;
END
$$;
COMMENT ON FUNCTION personalize.erase_certify_internal(integer, text, text[], text, boolean, pg_lsn, timestamptz, personalize.erase_prepared, personalize.erase_tally, personalize.erase_holds, jsonb[]) IS
	'Second half of an erasure: waits for the audit, makes the certificates, forgets the keys';

CREATE OR REPLACE FUNCTION personalize.erase_internal(kind_id integer, kind text, keys text[], reason text, dry_run boolean, sync_to pg_lsn)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	begun_at timestamptz := clock_timestamp();
	prepared personalize.erase_prepared := personalize.erase_prepared_internal(kind_id);
	holds personalize.erase_holds := personalize.erase_holds_internal(kind_id, keys);
	tally personalize.erase_tally := ROW('{}', '{}', '{}', '{}');
	s personalize.erase_step;
	pseudonyms uuid[];	/* by key */
	held_keys text[] := '{}';
	free_keys text[] := keys;
	count_first boolean := dry_run OR prepared.count_first;
	n bigint;
	retained bigint[] := '{}';	/* by step: rows that must stay */
	held bigint[] := '{}';
	copies jsonb[];	/* by key: what the certificate says of copies */
	shown bigint;
BEGIN
	/* what there is, and what must stay */
	FOREACH s IN ARRAY prepared.steps LOOP
		shown := personalize.progress_internal('erase_subjects', 'counting rows', s.step - 1, cardinality(prepared.steps));
		IF holds.keys IS NOT NULL THEN
			held_keys := ARRAY(SELECT DISTINCT h.key FROM unnest(holds.keys, holds.relids) AS h (key, relid) WHERE h.relid IS NULL OR h.relid = s.relid);
			free_keys := personalize.erase_free_internal(s, keys, holds);
			/* that there are none is said, too */
			SELECT tally.steps || array_agg(s.step), tally.keys || array_agg(k.key), tally.rows || array_agg(coalesce(c.rows, 0)), tally.held || array_agg(true)
				INTO tally
				FROM unnest(held_keys) AS k (key) LEFT JOIN personalize.erase_count_internal(s, held_keys, false) AS c ON c.key = k.key;
			held[s.step] := personalize.rights_run_set_internal(s.path_id, personalize.erase_led_text_internal(s), held_keys, '{}');
		END IF;
		IF count_first OR s.action <> 'delete' THEN
			n := cardinality(tally.rows);
			SELECT tally.steps || array_agg(s.step), tally.keys || array_agg(c.key), tally.rows || array_agg(c.rows), tally.held || array_agg(false)
				INTO tally
				FROM personalize.erase_count_internal(s, free_keys, false) AS c;
			retained[s.step] := (SELECT coalesce(sum(u.rows), 0) FROM unnest(tally.rows[n + 1 :]) AS u (rows));
		END IF;
		IF s.action = 'anonymize' OR s.columns <> '{}' THEN
			pseudonyms := coalesce(pseudonyms, ARRAY(SELECT gen_random_uuid() FROM unnest(keys)));
			/* what cannot be anonymized is said by the dry run, too */
			PERFORM personalize.anonymous_spec_internal(s.path_id, s.columns, s.action = 'retain');
		END IF;
		IF dry_run AND s.action <> 'retain' OR s.action = 'delete' AND cardinality(prepared.acting) > 0 THEN
			PERFORM personalize.cascade_check_internal(kind_id, free_keys, prepared.steps, s.relid, prepared.acting, dry_run);
		END IF;
	END LOOP;

	/* while the rows are there by which those of copies are found */
	copies := personalize.erase_copies_internal(kind_id, prepared, keys, holds, dry_run);

	IF NOT dry_run THEN
		FOREACH s IN ARRAY prepared.steps LOOP
			CONTINUE WHEN s.action = 'retain' AND s.columns = '{}';
			shown := personalize.progress_internal('erase_subjects', 'erasing rows', s.step - 1, cardinality(prepared.steps));
			IF holds.keys IS NOT NULL THEN
				free_keys := personalize.erase_free_internal(s, keys, holds);
				CONTINUE WHEN cardinality(free_keys) = 0;
			END IF;
			IF s.action <> 'delete' THEN
				PERFORM personalize.erase_anonymize_internal(s, free_keys, keys, pseudonyms);
				CONTINUE;
			END IF;
			IF count_first OR cardinality(free_keys) = 1 THEN
				n := personalize.rights_run_set_internal(s.path_id, s.delete_text, free_keys, '{}');
				IF NOT count_first AND n > 0 THEN
					tally.steps := tally.steps || s.step;
					tally.keys := tally.keys || free_keys;
					tally.rows := tally.rows || n;
					tally.held := tally.held || false;
				END IF;
			ELSE
				SELECT tally.steps || array_agg(s.step), tally.keys || array_agg(c.key), tally.rows || array_agg(c.rows), tally.held || array_agg(false)
					INTO tally
					FROM personalize.erase_count_internal(s, free_keys, true) AS c;
			END IF;
		END LOOP;
		/* again, all at once; where something is left, or must be, each by itself */
		shown := personalize.progress_internal('erase_subjects', 'looking whether any are left');
		n := 0;
		FOR i IN 1 .. CASE WHEN holds.keys IS NULL THEN coalesce(cardinality(prepared.left_paths), 0) ELSE 0 END LOOP
			n := n + personalize.rights_left_internal(prepared.left_paths[i], prepared.left_texts[i], keys);
		END LOOP;
		FOREACH s IN ARRAY CASE WHEN n > 0 OR holds.keys IS NOT NULL OR prepared.retains THEN prepared.steps ELSE '{}' END LOOP
			IF holds.keys IS NOT NULL THEN
				free_keys := personalize.erase_free_internal(s, keys, holds);
				held_keys := ARRAY(SELECT k.key FROM unnest(keys) AS k (key) WHERE k.key <> ALL (free_keys));
			END IF;
			n := personalize.rights_run_set_internal(s.path_id, s.count_text, free_keys, '{}');
			IF (s.action = 'retain' AND n <> retained[s.step])
				OR (holds.keys IS NOT NULL AND held[s.step] <> personalize.rights_run_set_internal(s.path_id, personalize.erase_led_text_internal(s), held_keys, '{}')) THEN
				RAISE EXCEPTION 'rows of relation % that must stay would go with others', s.relation_name
					USING ERRCODE = 'object_not_in_prerequisite_state',
						HINT = 'A foreign key or trigger deletes or changes them. Hold or retain the rows they refer to as well, or change the foreign key; nothing was erased.';
			ELSIF s.action <> 'retain' AND n <> 0 AND NOT (s.action = 'anonymize' AND personalize.erase_cut_later_internal(s, prepared.steps, holds)) THEN
				RAISE EXCEPTION 'relation % still has rows of the subject', s.relation_name
					USING ERRCODE = 'object_not_in_prerequisite_state',
						HINT = 'A trigger or rule of the relation keeps them from being deleted; nothing was erased.';
			END IF;
		END LOOP;
	END IF;
	RETURN personalize.erase_certify_internal(kind_id, kind, keys, reason, dry_run, sync_to, begun_at, prepared, tally, holds, copies);
END
$$;
COMMENT ON FUNCTION personalize.erase_internal(integer, text, text[], text, boolean, pg_lsn) IS
	'Erases subjects of a kind by their canonical keys, each of which comes once, or counts what that would erase; returns their certificates in that order';

CREATE OR REPLACE FUNCTION personalize.erase_checked_internal(subjects text[], reason text, dry_run boolean, kind text)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	type oid;
	given text[];	/* the canonical keys, as they were asked for */
	keys text[];	/* each once */
	certificates jsonb;
	sync_to pg_lsn;
	linked jsonb;	/* other identities: of whom, kind_id, key */
	other record;
	more jsonb;
	shown bigint;
BEGIN
	PERFORM personalize.erase_begin_internal();
	IF subjects IS NULL OR dry_run IS NULL THEN
		RAISE EXCEPTION 'subjects and dry_run must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	/* rows that were committed after the snapshot would stay, and the certificate would say they are gone */
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		RAISE EXCEPTION 'a person cannot be erased at isolation level %', upper(current_setting('transaction_isolation'))
			USING ERRCODE = 'active_sql_transaction',
				HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED: an erasure must find what was committed until now.';
	END IF;
	IF NOT dry_run THEN
		/*
		 * What the caller has put off would be run here, as us.  Once there is
		 * nothing, have everything from now on run at the end of its own
		 * statement: as the owner of the relation, who must not put off
		 * anything (a deferred trigger cannot be queued in a
		 * security-restricted operation).
		 */
		IF personalize.triggers_pending_internal() THEN
			RAISE EXCEPTION 'a person cannot be erased while triggers or checks of constraints are deferred in the same transaction'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'COMMIT first, or SET CONSTRAINTS ALL IMMEDIATE.';
		END IF;
		SET CONSTRAINTS ALL IMMEDIATE;
	END IF;
	kind_no := personalize.kind_id_internal(erase_checked_internal.kind);
	SELECT k.key_type INTO type FROM personalize.registry_kind AS k WHERE k.kind_id = kind_no;
	given := ARRAY(SELECT personalize.canonical_or_null_internal(type, u.key) FROM unnest(subjects) WITH ORDINALITY AS u (key, ord) ORDER BY u.ord);
	IF array_position(given, NULL) IS NOT NULL THEN
		/* says why */
		PERFORM personalize.canonical_key_internal(erase_checked_internal.kind, u.key) FROM unnest(subjects) WITH ORDINALITY AS u (key, ord) ORDER BY u.ord;
	END IF;
	keys := CASE WHEN cardinality(given) < 2 THEN given
		ELSE ARRAY(SELECT x.key FROM (SELECT u.key, min(u.ord) AS ord FROM unnest(given) WITH ORDINALITY AS u (key, ord) GROUP BY u.key) AS x ORDER BY x.ord) END;
	/* whoever is the same person goes along */
	IF EXISTS (SELECT FROM personalize.linked) THEN
		linked := (SELECT jsonb_agg(jsonb_build_object('of', u.key, 'kind_id', i.kind_id, 'key', i.key))
			FROM unnest(keys) AS u (key) CROSS JOIN LATERAL personalize.identities_internal(kind_no, u.key) AS i
			WHERE i.kind_id <> kind_no OR i.key <> ALL (keys));
	END IF;
	IF reason IS NOT NULL AND personalize.text_names_internal(reason, personalize.keys_in_internal(reason,
			keys || ARRAY(SELECT l.value ->> 'key' FROM jsonb_array_elements(coalesce(linked, '[]')) AS l), true, 0)) THEN
		RAISE EXCEPTION 'reason must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The certificate is kept; refer to the request, not to the person.';
	END IF;
	IF cardinality(keys) = 0 THEN
		RETURN '[]';
	END IF;
	shown := personalize.progress_internal('erase_subjects', 'starting');
	IF NOT dry_run THEN
		/*
		 * What earlier uses say of the person must be there to be taken away.
		 * Not while this transaction, by an earlier erasure, keeps the worker
		 * from writing: it would wait for us and we for it.
		 */
		sync_to := personalize.audit_begin_sync_internal('personalize.audit_key');
		/* it writes while rows are deleted; what is said meanwhile of many, who take long, is waited for, too */
		IF sync_to IS NOT NULL AND cardinality(keys) > 1 THEN
			sync_to := '0/0';
		END IF;
		/* in the order of their numbers, as every batch locks them */
		IF linked IS NULL THEN
			PERFORM 1 FROM personalize.subject AS s WHERE s.kind_id = kind_no AND s.key = ANY (keys)
				ORDER BY s.subject_no FOR NO KEY UPDATE;
		ELSE
			PERFORM personalize.linked_lock_internal(ARRAY(SELECT s.subject_no FROM personalize.subject AS s WHERE s.kind_id = kind_no AND s.key = ANY (keys)
				UNION SELECT s.subject_no FROM jsonb_to_recordset(linked) AS l (kind_id integer, key text)
					JOIN personalize.subject AS s ON s.kind_id = l.kind_id AND s.key = l.key));
		END IF;
	END IF;
	certificates := personalize.erase_internal(kind_no, erase_checked_internal.kind, keys, reason, dry_run, sync_to);
	IF linked IS NOT NULL THEN
		FOR other IN SELECT l.kind_id, k.name, array_agg(DISTINCT l.key) AS keys
			FROM jsonb_to_recordset(linked) AS l (kind_id integer, key text) JOIN personalize.registry_kind AS k ON k.kind_id = l.kind_id
			GROUP BY l.kind_id, k.name ORDER BY l.kind_id
		LOOP
			/* the audit was waited for, and must not be again: it waits for us now */
			more := personalize.erase_internal(other.kind_id, other.name, other.keys, reason, dry_run, NULL);
			certificates := (SELECT jsonb_agg(CASE WHEN x.parts IS NULL THEN c.value
					ELSE c.value || jsonb_build_object('linked', coalesce(c.value -> 'linked', '[]') || x.parts) END ORDER BY c.place)
				FROM jsonb_array_elements(certificates) WITH ORDINALITY AS c (value, place)
					CROSS JOIN LATERAL (SELECT jsonb_agg(more -> (array_position(other.keys, l.key) - 1)) AS parts
						FROM jsonb_to_recordset(linked) AS l ("of" text, kind_id integer, key text)
						WHERE l."of" = keys[c.place::integer] AND l.kind_id = other.kind_id) AS x);
		END LOOP;
	END IF;
	IF cardinality(given) > cardinality(keys) THEN
		/* who was named twice is erased once */
		certificates := (SELECT jsonb_agg(c.value ORDER BY g.ord)
			FROM unnest(given) WITH ORDINALITY AS g (key, ord) JOIN unnest(keys) WITH ORDINALITY AS k (key, place) ON k.key = g.key
				JOIN jsonb_array_elements(certificates) WITH ORDINALITY AS c (value, place) ON c.place = k.place);
	END IF;
	shown := personalize.progress_internal('erase_subjects', NULL);
	RETURN certificates;
END
$$;
COMMENT ON FUNCTION personalize.erase_checked_internal(text[], text, boolean, text) IS
	'Checks the arguments of an erasure and erases the subjects';

CREATE OR REPLACE FUNCTION personalize.erase_subject(subject text, reason text DEFAULT NULL, dry_run boolean DEFAULT false,
	kind text DEFAULT 'subject')
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN personalize.erase_checked_internal(ARRAY[subject], reason, dry_run, kind) -> 0;
END
$$;
COMMENT ON FUNCTION personalize.erase_subject(text, text, boolean, text) IS
	'Erases a person from every protected relation in one transaction and returns a certificate without personal data; dry_run only counts';

CREATE OR REPLACE FUNCTION personalize.erase_subjects(subjects text[], reason text DEFAULT NULL, dry_run boolean DEFAULT false,
	kind text DEFAULT 'subject')
RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.erase_checked_internal(subjects, reason, dry_run, kind)
$$;
COMMENT ON FUNCTION personalize.erase_subjects(text[], text, boolean, text) IS
	'Erases several persons in one transaction and returns an array of their certificates, in the same order';

CREATE OR REPLACE FUNCTION personalize.reinstate_subject(subject text, reason text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	key text;
BEGIN
	PERFORM personalize.registry_begin_internal();
	kind_no := personalize.kind_id_internal(reinstate_subject.kind);
	key := personalize.canonical_key_internal(reinstate_subject.kind, reinstate_subject.subject);
	IF personalize.text_names_internal(reinstate_subject.reason, ARRAY[key]) THEN
		RAISE EXCEPTION 'reason must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The record is kept; refer to the request, not to the person.';
	END IF;
	PERFORM personalize.subject_no_internal(kind_no, key, false);
	IF personalize.tombstone_lift_internal(kind_no, ARRAY[key]) = 0 THEN
		RETURN false;
	END IF;
	INSERT INTO personalize.erasure (certificate, erased_by)
		VALUES (jsonb_strip_nulls(jsonb_build_object('reinstated_at', clock_timestamp(), 'kind', reinstate_subject.kind,
			'reason', reinstate_subject.reason)), session_user);
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.reinstate_subject(text, text, text) IS
	'Makes a new person of an erased key, so that rows under it are no longer withheld for the erasure; false if the key is not erased';

CREATE OR REPLACE FUNCTION personalize.release_hold(hold_id uuid)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	h personalize.hold;
BEGIN
	PERFORM personalize.registry_begin_internal();
	SELECT x.* INTO h FROM personalize.hold AS x WHERE x.hold_id = release_hold.hold_id AND x.released_at IS NULL FOR UPDATE;
	IF h.hold_id IS NULL THEN
		RAISE EXCEPTION 'hold does not exist' USING ERRCODE = 'undefined_object', HINT = 'The view personalize.holds lists them.';
	END IF;
	UPDATE personalize.hold AS x SET released_at = clock_timestamp(), released_by = session_user, key = NULL WHERE x.hold_id = h.hold_id;
	IF h.key IS NULL THEN
		RETURN NULL;
	END IF;
	/* what another hold still keeps stays; the others are erased now */
	RETURN personalize.erase_checked_internal(ARRAY[h.key], 'release of a legal hold', false,
		(SELECT k.name FROM personalize.registry_kind AS k WHERE k.kind_id = h.kind_id)) -> 0;
END
$$;
COMMENT ON FUNCTION personalize.release_hold(uuid) IS
	'Releases a legal hold; if the person was erased meanwhile, the erasure is completed and its certificate returned';
