/* Runs every shape under every variant and tells what is not as it should be; see shapes_begin.sql. */
SET search_path = shp;
SET ROLE regress_shp_app;
DO $$
DECLARE
	s record;
	v record;
	one text;
BEGIN
	PERFORM set_config('personalize.purpose', 'shp_ads', true);
	FOR s IN SELECT * FROM shape ORDER BY no LOOP
		FOR v IN SELECT * FROM variant ORDER BY no LOOP
			BEGIN
				FOREACH one IN ARRAY v.settings LOOP
					IF EXISTS (SELECT FROM pg_settings WHERE name = split_part(one, '=', 1)) THEN
						PERFORM set_config(split_part(one, '=', 1), split_part(one, '=', 2), true);
					END IF;
				END LOOP;
				PERFORM set_config('personalize.context', format('%s %s %s', (SELECT tag FROM shp.tag), s.no, v.no), true);
				EXECUTE s.query;
				RAISE EXCEPTION USING ERRCODE = 'ZZ001';	/* back to the settings of before */
			EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
				NULL;
			END;
		END LOOP;
	END LOOP;
END
$$;
RESET ROLE;
SELECT personalize.audit_sync() \g /dev/null
CREATE TEMP TABLE found AS
	SELECT s.no, v.no AS variant, r.relation, u.usage_id, u.precision, u.status,
		ARRAY(SELECT x.subject FROM personalize.subjects_of(u.usage_id) AS x ORDER BY x.subject COLLATE "C") AS subjects
	FROM shape AS s CROSS JOIN variant AS v CROSS JOIN (VALUES ('person'), ('orders'), ('visit')) AS r (relation)
		LEFT JOIN personalize.usage AS u ON u.context = format('%s %s %s', (SELECT tag FROM shp.tag), s.no, v.no) AND u.relation_name = 'shp.' || r.relation;
CREATE TEMP TABLE wanted (no integer, relation text, subjects text[]);
SET search_path = shp_plain, pg_catalog;
DO $$
DECLARE
	s record;
	r text;
	q text;
	a text[];
BEGIN
	FOR s IN SELECT * FROM shp.shape LOOP
		FOREACH r IN ARRAY '{person,orders,visit}'::text[] LOOP
			q := CASE r WHEN 'person' THEN s.person WHEN 'orders' THEN s.orders ELSE s.visit END;
			a := NULL;
			IF q IS NOT NULL THEN
				EXECUTE format('SELECT coalesce(array_agg(DISTINCT x::text COLLATE "C" ORDER BY x::text COLLATE "C"), ''{}'') FROM (%s) AS o (x) WHERE x IS NOT NULL', q) INTO a;
			END IF;
			INSERT INTO wanted VALUES (s.no, r, a);
		END LOOP;
	END LOOP;
END
$$;
/* one line for each shape: its precision, how many sets over all variants, whether they are as they should be */
SELECT string_agg(DISTINCT f.precision, ',') AS precision,
	CASE WHEN s.precision = 'exact' THEN max(f.sets)::text ELSE '-' END AS sets,
	CASE WHEN bool_and(f.good) AND string_agg(DISTINCT f.precision, ',') = s.precision THEN 'ok' ELSE 'WRONG: ' || string_agg(f.relation || ' ' || f.what, '; ' ORDER BY f.relation) END AS verdict,
	s.query
	FROM shp.shape AS s JOIN (
		SELECT w.no, w.relation, max(f.precision) AS precision, count(DISTINCT f.subjects) AS sets,
			bool_and(CASE WHEN w.subjects IS NULL THEN f.usage_id IS NULL
				WHEN t.precision = 'exact' THEN f.subjects = w.subjects AND f.precision = 'exact' AND f.status = 'ended'
				ELSE f.subjects @> w.subjects AND f.status = 'ended' END) AS good,
			format('%s recorded, wanted %s', coalesce(min(array_to_string(f.subjects, ',')) || ' to ' || max(array_to_string(f.subjects, ',')), 'nothing'),
				coalesce(array_to_string(max(w.subjects), ','), 'nothing')) AS what
		FROM wanted AS w JOIN found AS f USING (no, relation) JOIN shp.shape AS t USING (no)
		WHERE w.subjects IS NOT NULL OR f.usage_id IS NOT NULL
		GROUP BY w.no, w.relation) AS f USING (no)
	GROUP BY s.no, s.query, s.precision ORDER BY s.no;
SELECT format('%s shapes under %s plans', count(*), (SELECT count(*) FROM shp.variant)) FROM shp.shape;
DROP TABLE found, wanted;
RESET search_path;
DROP SCHEMA shp, shp_plain CASCADE;
DROP OWNED BY regress_shp_app;
DROP ROLE regress_shp_app;
