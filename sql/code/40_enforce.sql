/*
 * What the filter puts into queries and policies, and the functions of the
 * library that the SQL half calls.  The C side is in src/enforce_check.c,
 * src/registry_sql.c, src/consent_sql.c and src/rights_rows.c.
 */
CREATE OR REPLACE FUNCTION personalize.require_preloaded_internal() RETURNS void
	LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_require_preloaded';
COMMENT ON FUNCTION personalize.require_preloaded_internal() IS
	'Raises 55000 unless the library is in shared_preload_libraries and of the version of these objects';

CREATE OR REPLACE FUNCTION personalize.library_version_internal() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_library_version';
COMMENT ON FUNCTION personalize.library_version_internal() IS 'The version the library was built as';

CREATE OR REPLACE FUNCTION personalize.policy_ok(path_id integer, subject bigint) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_policy_ok';
COMMENT ON FUNCTION personalize.policy_ok(integer, bigint) IS
	'Stands in policies of protected relations; the planner hook replaces it by the row check, any other call is refused';
CREATE OR REPLACE FUNCTION personalize.policy_ok(path_id integer, subject uuid) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_policy_ok';
COMMENT ON FUNCTION personalize.policy_ok(integer, uuid) IS
	'Stands in policies of protected relations; the planner hook replaces it by the row check, any other call is refused';
CREATE OR REPLACE FUNCTION personalize.policy_ok(path_id integer, subject text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_policy_ok';
COMMENT ON FUNCTION personalize.policy_ok(integer, text) IS
	'Stands in policies of protected relations; the planner hook replaces it by the row check, any other call is refused';
CREATE OR REPLACE FUNCTION personalize.net_ok(path_id integer) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_policy_ok';
COMMENT ON FUNCTION personalize.net_ok(integer) IS
	'Stands in the permissive policy of a protected relation that had none; true only while the application has no permissive policy';

CREATE OR REPLACE FUNCTION personalize.row_ok_support(internal) RETURNS internal
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_row_ok_support';
COMMENT ON FUNCTION personalize.row_ok_support(internal) IS
	'Tells the planner how many rows the row check lets through';
CREATE OR REPLACE FUNCTION personalize.row_ok(mark personalize.plan_mark, subject bigint) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 SUPPORT personalize.row_ok_support AS 'MODULE_PATHNAME', 'personalize_row_ok';
COMMENT ON FUNCTION personalize.row_ok(personalize.plan_mark, bigint) IS
	'The row check: may the running statement use this subject''s row for its purpose?';
CREATE OR REPLACE FUNCTION personalize.row_ok(mark personalize.plan_mark, subject uuid) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 SUPPORT personalize.row_ok_support AS 'MODULE_PATHNAME', 'personalize_row_ok';
COMMENT ON FUNCTION personalize.row_ok(personalize.plan_mark, uuid) IS
	'The row check: may the running statement use this subject''s row for its purpose?';
CREATE OR REPLACE FUNCTION personalize.row_ok(mark personalize.plan_mark, subject text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 SUPPORT personalize.row_ok_support AS 'MODULE_PATHNAME', 'personalize_row_ok';
COMMENT ON FUNCTION personalize.row_ok(personalize.plan_mark, text) IS
	'The row check: may the running statement use this subject''s row for its purpose?';
CREATE OR REPLACE FUNCTION personalize.cell_ok(mark personalize.plan_mark, subject bigint) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_cell_ok';
COMMENT ON FUNCTION personalize.cell_ok(personalize.plan_mark, bigint) IS
	'The cell check: may the running statement use cells of a category in this subject''s row?';
CREATE OR REPLACE FUNCTION personalize.cell_ok(mark personalize.plan_mark, subject uuid) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_cell_ok';
COMMENT ON FUNCTION personalize.cell_ok(personalize.plan_mark, uuid) IS
	'The cell check: may the running statement use cells of a category in this subject''s row?';
CREATE OR REPLACE FUNCTION personalize.cell_ok(mark personalize.plan_mark, subject text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_cell_ok';
COMMENT ON FUNCTION personalize.cell_ok(personalize.plan_mark, text) IS
	'The cell check: may the running statement use cells of a category in this subject''s row?';
CREATE OR REPLACE FUNCTION personalize.write_ok(mark personalize.plan_mark, subject bigint) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_write_ok';
COMMENT ON FUNCTION personalize.write_ok(personalize.plan_mark, bigint) IS
	'Refuses a new value for a cell that the purpose does not show';
CREATE OR REPLACE FUNCTION personalize.write_ok(mark personalize.plan_mark, subject uuid) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_write_ok';
COMMENT ON FUNCTION personalize.write_ok(personalize.plan_mark, uuid) IS
	'Refuses a new value for a cell that the purpose does not show';
CREATE OR REPLACE FUNCTION personalize.write_ok(mark personalize.plan_mark, subject text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_write_ok';
COMMENT ON FUNCTION personalize.write_ok(personalize.plan_mark, text) IS
	'Refuses a new value for a cell that the purpose does not show';
CREATE OR REPLACE FUNCTION personalize.for_purpose(purpose text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_for_purpose';
COMMENT ON FUNCTION personalize.for_purpose(text) IS
	'Binds the query in whose WHERE it stands to a purpose: a purpose view needs no setting. The role must hold the purpose';
CREATE OR REPLACE FUNCTION personalize.keep_subject(mark personalize.plan_mark, old_value anyelement, new_value anyelement) RETURNS anyelement
	LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_keep_subject';
COMMENT ON FUNCTION personalize.keep_subject(personalize.plan_mark, anyelement, anyelement) IS
	'Refuses a new value of a subject column to everybody without the duty officer';

CREATE OR REPLACE FUNCTION personalize.path_key_int8(mark personalize.plan_mark, VARIADIC columns "any") RETURNS bigint
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 20 AS 'MODULE_PATHNAME', 'personalize_path_key';
COMMENT ON FUNCTION personalize.path_key_int8(personalize.plan_mark, "any") IS
	'The key of the subject of a row, where it is not one column of it: by a foreign key, or of several columns';
CREATE OR REPLACE FUNCTION personalize.path_key_uuid(mark personalize.plan_mark, VARIADIC columns "any") RETURNS uuid
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 20 AS 'MODULE_PATHNAME', 'personalize_path_key';
COMMENT ON FUNCTION personalize.path_key_uuid(personalize.plan_mark, "any") IS
	'The key of the subject of a row, where it is not one column of it: by a foreign key, or of several columns';
CREATE OR REPLACE FUNCTION personalize.path_key_text(mark personalize.plan_mark, VARIADIC columns "any") RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 20 AS 'MODULE_PATHNAME', 'personalize_path_key';
COMMENT ON FUNCTION personalize.path_key_text(personalize.plan_mark, "any") IS
	'The key of the subject of a row, where it is not one column of it: by a foreign key, or of several columns';

CREATE OR REPLACE FUNCTION personalize.index_lost_internal(index oid) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_index_lost';
COMMENT ON FUNCTION personalize.index_lost_internal(oid) IS
	'Why no condition can use an index while its relation is protected; NULL if one can';

CREATE OR REPLACE FUNCTION personalize.statistics_ok(relation oid) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_statistics_ok';
COMMENT ON FUNCTION personalize.statistics_ok(oid) IS
	'Stands in queries of pg_statistic and pg_stats: is the relation not protected, or a built-in purpose stated and held?';
CREATE OR REPLACE FUNCTION personalize.extended_statistics_ok(statistics oid) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 10 AS 'MODULE_PATHNAME', 'personalize_extended_statistics_ok';
COMMENT ON FUNCTION personalize.extended_statistics_ok(oid) IS
	'Stands in queries of pg_statistic_ext_data, pg_stats_ext and pg_stats_ext_exprs, as statistics_ok does in others';

CREATE OR REPLACE FUNCTION personalize.outer_role_internal() RETURNS oid
	LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_outer_role';
COMMENT ON FUNCTION personalize.outer_role_internal() IS 'The role that asks: SET ROLE counts, SECURITY DEFINER does not';
CREATE OR REPLACE FUNCTION personalize.invalidate_internal(relid oid) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_invalidate';
COMMENT ON FUNCTION personalize.invalidate_internal(oid) IS
	'Makes every session read the registry again and plan queries on a relation again';
CREATE OR REPLACE FUNCTION personalize.check_literal_internal(type oid, modifier integer, literal text) RETURNS void
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_check_literal';
COMMENT ON FUNCTION personalize.check_literal_internal(oid, integer, text) IS
	'Fails unless a literal is one of a type; calls the input function of the type and no cast or constraint';
CREATE OR REPLACE FUNCTION personalize.registry_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_registry_changed';
COMMENT ON FUNCTION personalize.registry_changed() IS 'Makes every session read the registry again; trigger on the registry tables';

CREATE OR REPLACE FUNCTION personalize.consent_changed_internal() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_consent_changed';
COMMENT ON FUNCTION personalize.consent_changed_internal() IS 'Marks persons in the consent set; trigger on the tables of the ledger';
CREATE OR REPLACE FUNCTION personalize.decision_internal(kind_id integer, key text, purpose_id integer, at timestamptz,
		OUT permitted boolean, OUT state text, OUT reason text, OUT event_id bigint,
		OUT categories integer[], OUT explicit boolean, OUT expires_at timestamptz)
	LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_decision';
COMMENT ON FUNCTION personalize.decision_internal(integer, text, integer, timestamptz) IS
	'The one decision: may this subject''s data be used for this purpose, now or as it was at a time, and why';
CREATE OR REPLACE FUNCTION personalize.consent_set_internal(OUT state text, OUT bytes bigint, OUT pending bigint,
		OUT purposes integer[], OUT horizon timestamptz, OUT pid integer)
	LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_consent_set';
COMMENT ON FUNCTION personalize.consent_set_internal() IS
	'What the consent set of this database is like: whether statements read it, its size, how many persons are read from the ledger because of a change';
CREATE OR REPLACE FUNCTION personalize.consent_set_check_internal(purposes integer[], OUT asked bigint, OUT answered bigint, OUT wrong bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_consent_set_check';
COMMENT ON FUNCTION personalize.consent_set_check_internal(integer[]) IS
	'Compares the consent set with the ledger, for every person and the purposes named (NULL: all): asked, answered by the set, and wrong, which must be none';
CREATE OR REPLACE FUNCTION personalize.tombstone_digest_internal(kind_id integer, key text) RETURNS bytea
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_tombstone_digest';
COMMENT ON FUNCTION personalize.tombstone_digest_internal(integer, text) IS 'Keyed digest under which an erased key is remembered';
CREATE OR REPLACE FUNCTION personalize.restore_id_internal() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_restore_id';
COMMENT ON FUNCTION personalize.restore_id_internal() IS 'The number of the last restore of this cluster from a backup; NULL if there was none';
CREATE OR REPLACE FUNCTION personalize.erased_unknown_internal() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_erased_unknown';
COMMENT ON FUNCTION personalize.erased_unknown_internal() IS
	'Why people who were erased cannot be told from others here: restored, or other key file; NULL if they can';
CREATE OR REPLACE FUNCTION personalize.rights_run_internal(path_id integer, statement text, key text, changes jsonb) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_rights_run';
COMMENT ON FUNCTION personalize.rights_run_internal(integer, text, text, jsonb) IS
	'Counts, deletes or changes rows of one subject in a relation, as its owner';
CREATE OR REPLACE FUNCTION personalize.rights_run_set_internal(path_id integer, statement text, keys text[], changes jsonb) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_rights_run_set';
COMMENT ON FUNCTION personalize.rights_run_set_internal(integer, text, text[], jsonb) IS
	'Counts, deletes or changes rows of several subjects in a relation, as its owner';
CREATE OR REPLACE FUNCTION personalize.rights_left_internal(path_id integer, statement text, keys text[]) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_rights_left';
COMMENT ON FUNCTION personalize.rights_left_internal(integer, text, text[]) IS
	'Counts rows of several subjects that should be gone, as the owner of the relation; on record if there are any';
CREATE OR REPLACE FUNCTION personalize.rights_count_set_internal(path_id integer, statement text, keys text[])
	RETURNS TABLE (key text, rows bigint)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_rights_count_set';
COMMENT ON FUNCTION personalize.rights_count_set_internal(integer, text, text[]) IS
	'Counts rows of several subjects in a relation, for each of them, as its owner';
CREATE OR REPLACE FUNCTION personalize.rights_copy_internal(copy oid, statement text, keys text[])
	RETURNS TABLE (key text, rows bigint)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_rights_copy';
COMMENT ON FUNCTION personalize.rights_copy_internal(oid, text, text[]) IS
	'Counts, or deletes and counts, rows of several subjects in a copy of a protected relation, for each of them, as its owner';
CREATE OR REPLACE FUNCTION personalize.rights_select_keys_internal(path_id integer) RETURNS SETOF text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_rights_select_keys';
COMMENT ON FUNCTION personalize.rights_select_keys_internal(integer) IS 'The keys of all subjects that a relation holds';
CREATE OR REPLACE FUNCTION personalize.triggers_pending_internal() RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_triggers_pending';
COMMENT ON FUNCTION personalize.triggers_pending_internal() IS
	'Whether this transaction has put off a trigger or the check of a constraint';
CREATE OR REPLACE FUNCTION personalize.ledger_unlock_internal(on_off boolean) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_ledger_unlock';
COMMENT ON FUNCTION personalize.ledger_unlock_internal(boolean) IS
	'Allows changes of the ledger and the record of use until false or the end of the transaction';

CREATE OR REPLACE FUNCTION personalize.set_purpose(purpose text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF purpose IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'purpose must not be null',
			HINT = 'Pass the name of a purpose, see the view personalize.purposes.';
	END IF;
	/* as a statement, not set_config(): so it also reaches the shards of a distributed database */
	EXECUTE pg_catalog.format('SET LOCAL personalize.purpose = %L', purpose);
END
$$;
COMMENT ON FUNCTION personalize.set_purpose(text) IS
	'States what the current transaction uses personal data for; bindable twin of SET LOCAL personalize.purpose';
