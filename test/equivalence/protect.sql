-- Schema a goes under protection.
SELECT personalize.protect(('a.' || p.rel)::regclass, p.col, kind => p.kind,
		columns => (SELECT jsonb_object_agg(c.col, c.category) FROM eq.col AS c WHERE c.rel = p.rel),
		null_subject => CASE WHEN p.null_visible THEN 'visible' ELSE 'hidden' END)
	FROM eq.path AS p WHERE p.col <> 'recipient' ORDER BY p.rel;
SELECT personalize.add_subject_path('a.message', '{recipient}', kind => 'eq_number');
SELECT personalize.classify(('a.' || c.rel)::regclass, c.col, c.category, c.mask) FROM eq.col AS c WHERE c.mask IS NOT NULL;
SELECT personalize.grant_purpose(p.purpose, r::regrole, may_copy => r <> 'regress_eq_group')
	FROM eq.purpose AS p, unnest('{regress_eq_app,regress_eq_owner,regress_eq_bypass,regress_eq_group}'::text[]) AS r
	WHERE p.purpose <> 'eq_umbrella';

-- What a relation holds, as it may be seen for a purpose; read under break_glass.
DO $$
DECLARE
	p record;
	s text;
	cols text;
BEGIN
	FOR p IN SELECT t.rel, q.purpose, q.letter FROM (SELECT DISTINCT x.rel FROM eq.path AS x) AS t, eq.purpose AS q
		WHERE q.purpose <> 'eq_umbrella' LOOP
		FOREACH s IN ARRAY ARRAY['a', 'b_' || p.letter] LOOP
			SELECT string_agg(CASE WHEN k.category = 'none' THEN format('r.%I::text', k.col) ELSE format('CASE WHEN %s THEN %s ELSE %L::text END AS %I',
				eq.may_see(p.rel, p.letter, k.category),
				CASE WHEN k.col LIKE 'tw\_%' THEN format('tripwire.peek(r.%I)', k.col) ELSE format('r.%I::text', k.col) END,
				k.mask, k.col) END, ', ' ORDER BY k.col) INTO cols FROM eq.col AS k WHERE k.rel = p.rel;
			EXECUTE format('CREATE VIEW eq.%I AS SELECT %s FROM %I.%I AS r %s WHERE %s',
				p.rel || '_' || s || '_' || p.letter, cols, s, p.rel, eq.people(p.rel), eq.may_see(p.rel, p.letter, 'row'));
		END LOOP;
		-- and what of it is withheld: whole rows, and cells of rows that stay
		SELECT string_agg(CASE WHEN k.category = 'none' THEN format('r.%I::text', k.col) ELSE format('CASE WHEN %s AND %s THEN NULL ELSE %s END AS %I',
			eq.may_see(p.rel, p.letter, 'row'), eq.may_see(p.rel, p.letter, k.category),
			CASE WHEN k.col LIKE 'tw\_%' THEN format('tripwire.peek(r.%I)', k.col) ELSE format('r.%I::text', k.col) END, k.col) END, ', ' ORDER BY k.col)
			INTO cols FROM eq.col AS k WHERE k.rel = p.rel;
		EXECUTE format('CREATE VIEW eq.%I AS SELECT NOT (%s) AS whole, %s FROM a.%I AS r %s',
			p.rel || '_kept_' || p.letter, eq.may_see(p.rel, p.letter, 'row'), cols, p.rel, eq.people(p.rel));
		EXECUTE format('SET personalize.purpose_scope = session; SET personalize.purpose = break_glass');
		EXECUTE format('CREATE TABLE eq.%I AS SELECT * FROM eq.%I', p.rel || '_before_' || p.letter, p.rel || '_kept_' || p.letter);
		EXECUTE format('RESET personalize.purpose; RESET personalize.purpose_scope');
	END LOOP;
END
$$;
GRANT USAGE ON SCHEMA eq TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA eq TO PUBLIC;
-- what was to expire has done so before the first query
DO $$ BEGIN WHILE clock_timestamp() <= (SELECT max(e.expires_at) FROM personalize.consent_event AS e WHERE e.expires_at < '2900-01-01') LOOP END LOOP; END $$;
