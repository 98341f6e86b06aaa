# shellcheck shell=bash
# Sourced after lib.sh by the benchmarks that fill a ledger with many persons: by plain
# INSERTs with its triggers off, and a restart, so that the set is built from it.

type_of() { case $1 in bigint) echo bigint ;; uuid) echo uuid ;; text) echo text ;; esac; }
key_of() { case $1 in bigint) echo "$2::text" ;; uuid) echo "md5(($2)::text)::uuid::text" ;; text) echo "'person' || ($2) || '@mail.example.org'" ;; esac; }

# big_cluster: a private server with room for it
big_cluster()
{
	pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install && pz_cluster_start c || return 1
	pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<'SQL' || return 1
ALTER SYSTEM SET shared_buffers = '2GB';
ALTER SYSTEM SET max_wal_size = '16GB';
ALTER SYSTEM SET wal_level = 'replica';
ALTER SYSTEM SET personalize.consent_memory = '8GB';
SQL
	restart
}

restart()
{
	pz_cluster_stop c
	pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 300 start >/dev/null
}

# ready: wait for the set
ready()
{
	until [ "$(pz_client psql -X -A -t -c "SELECT state = 'ready' AND pending = 0 FROM personalize.consent_set_internal()")" = t ]; do
		pz_client psql -X -q -c "SELECT pg_sleep(0.05)" >/dev/null # lint: poll interval
	done
}

# load: seconds from the start of the consent worker until its set is ready, and its bytes
load()
{
	restart || exit 1
	pz_client psql -X -A -t -q -v ON_ERROR_STOP=1 <<'SQL'
DO $$
DECLARE
	began timestamptz;
BEGIN
	LOOP
		SELECT min(backend_start) INTO began FROM pg_stat_activity WHERE application_name = 'personalize consent worker';
		EXIT WHEN began IS NOT NULL AND (SELECT state = 'ready' FROM personalize.consent_set_internal());
		COMMIT;
		PERFORM pg_sleep(0.01);	/* lint: poll interval */
	END LOOP;
	PERFORM set_config('bench.took', round(extract(epoch FROM clock_timestamp() - began), 2)::text, false);
END
$$;
SELECT current_setting('bench.took') || ' s, ' || bytes / 1000000 || ' MB' FROM personalize.consent_set_internal();
SQL
}

# fresh KEY PURPOSES: the extension made anew, with a kind and so many purposes KEY_0 ...
fresh()
{
	pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT personalize.define_category('general', 'for the benchmark');
SELECT personalize.define_kind('$1', '$(type_of "$1")');
SELECT personalize.define_purpose('$1_' || i, 'for the benchmark', categories => '{general}') FROM generate_series(0, $2 - 1) AS i;
SQL
}

# agree KEY PURPOSES FROM TO: the persons FROM to TO agree to the first so many purposes
agree()
{
	pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL
ALTER TABLE personalize.subject DISABLE TRIGGER ALL;
ALTER TABLE personalize.consent_event DISABLE TRIGGER ALL;
INSERT INTO personalize.subject (subject_no, kind_id, key)
	SELECT i, k.kind_id, $(key_of "$1" i) FROM personalize.registry_kind AS k, generate_series($3, $4) AS i WHERE k.name = '$1';
INSERT INTO personalize.consent_event (subject_no, purpose_id, action, categories, recorded_by, recorded_as)
	SELECT i, p.purpose_id, 'given', ARRAY[0, c.category_id], 'bench', 'bench'
	FROM personalize.registry_category AS c, generate_series($3, $4) AS i, generate_series(0, $2 - 1) AS n
		JOIN personalize.registry_purpose AS p ON p.name = '$1_' || n
	WHERE c.name = 'general';
SELECT setval('personalize.subject_no_seq', $4 + 1);
ALTER TABLE personalize.subject ENABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER consent_changed, ENABLE ALWAYS TRIGGER consent_truncated;
ALTER TABLE personalize.consent_event ENABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER consent_changed, ENABLE ALWAYS TRIGGER consent_truncated;
VACUUM ANALYZE personalize.subject, personalize.consent_event;
CHECKPOINT;
SQL
}
