/*
 * Maintenance windows: for a while the owner of a protected relation may give
 * commands that compute something from every row.  The C side is in
 * src/enforce_maintain.c.
 */

CREATE OR REPLACE FUNCTION personalize.open_maintenance(relation regclass, reason text, duration interval DEFAULT '1 hour')
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
	id bigint;
	now_at timestamptz := clock_timestamp();
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(open_maintenance.relation);
	IF open_maintenance.reason IS NULL OR btrim(open_maintenance.reason) = '' THEN
		RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'It is kept with the window; name the change, not a person.';
	END IF;
	IF open_maintenance.duration IS NULL OR now_at + open_maintenance.duration <= now_at
		OR now_at + open_maintenance.duration > now_at + interval '24 hours' THEN
		RAISE EXCEPTION 'a maintenance window lasts more than nothing and at most 24 hours'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Open another one afterwards.';
	END IF;
	IF EXISTS (SELECT 1 FROM personalize.registry_window AS w WHERE w.relid = r.relid AND w.ends_at > now_at) THEN
		RAISE EXCEPTION 'relation % has an open maintenance window', personalize.relation_text_internal(r.relid)
			USING ERRCODE = 'duplicate_object', HINT = 'Call close_maintenance() first.';
	END IF;
	DELETE FROM personalize.registry_window AS w WHERE w.relid = r.relid;
	id := nextval('personalize.maintenance_id_seq');
	INSERT INTO personalize.registry_window (window_id, relid, ends_at) VALUES (id, r.relid, now_at + open_maintenance.duration);
	INSERT INTO personalize.maintenance_event (window_id, action, relid, relation_name, reason, ends_at, recorded_at, recorded_by)
		VALUES (id, 'opened', r.relid, personalize.relation_text_internal(r.relid), open_maintenance.reason,
			now_at + open_maintenance.duration, now_at, session_user);
	RETURN now_at + open_maintenance.duration;
END
$$;
COMMENT ON FUNCTION personalize.open_maintenance(regclass, text, interval) IS
	'Lets the owner of a protected relation give commands that read all its rows, for at most 24 hours; each is recorded as a use of everybody in it. Returns when the window ends';

CREATE OR REPLACE FUNCTION personalize.close_window_internal(relid oid)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	w personalize.registry_window;
BEGIN
	DELETE FROM personalize.registry_window AS x WHERE x.relid = close_window_internal.relid RETURNING x.* INTO w;
	IF w.window_id IS NULL OR w.ends_at <= clock_timestamp() THEN
		RETURN false;
	END IF;
	INSERT INTO personalize.maintenance_event (window_id, action, relid, relation_name, recorded_by)
		VALUES (w.window_id, 'closed', w.relid, personalize.relation_text_internal(w.relid), session_user);
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.close_window_internal(oid) IS
	'Closes the maintenance window of a relation; false if none was open';

CREATE OR REPLACE FUNCTION personalize.close_maintenance(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(close_maintenance.relation);
	IF NOT personalize.close_window_internal(r.relid) THEN
		RAISE EXCEPTION 'relation % has no open maintenance window', personalize.relation_text_internal(r.relid)
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The view personalize.maintenance lists the windows.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.close_maintenance(regclass) IS 'Ends the maintenance window of a protected relation before its time';

CREATE OR REPLACE VIEW personalize.maintenance AS
	SELECT o.window_id, c.oid::pg_catalog.regclass AS relation, o.relation_name, o.recorded_by AS opened_by, o.reason,
		o.recorded_at AS opened_at, o.ends_at, x.recorded_at AS closed_at, x.recorded_by AS closed_by,
		COALESCE(w.ends_at > pg_catalog.clock_timestamp(), false) AS is_open
	FROM personalize.maintenance_event AS o
		LEFT JOIN personalize.maintenance_event AS x ON x.window_id = o.window_id AND x.action = 'closed'
		LEFT JOIN personalize.registry_window AS w ON w.window_id = o.window_id
		LEFT JOIN pg_catalog.pg_class AS c ON c.oid = o.relid
	WHERE o.action = 'opened';
COMMENT ON VIEW personalize.maintenance IS 'Maintenance windows: who opened them, why, until when, and who closed them before that';

CREATE OR REPLACE FUNCTION personalize.maintenance_status_internal()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'maintenance'::text, false, format('a maintenance window of %s is open until %s', m.relation_name, m.ends_at),
		'Call close_maintenance() when the change is made.'::text
	FROM personalize.maintenance AS m WHERE m.is_open ORDER BY m.window_id
$$;
COMMENT ON FUNCTION personalize.maintenance_status_internal() IS 'The part of status() that is about maintenance windows';
