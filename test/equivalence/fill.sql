-- Schema a from schema raw, with HIDDEN in every tripwire cell that some
-- purpose withholds; then the plain twins, one for each purpose.
SET tripwire.armed = off;
SET search_path = raw, tripwire, pg_catalog;
DO $$
DECLARE
	leaf record;
	q record;
	cols text;
	hidden text;
	seen text;
BEGIN
	-- what a cell of a tripwire column holds, whoever may see it
	FOR leaf IN
		SELECT c.relname AS name, CASE WHEN c.relname LIKE 'event%' THEN 'event' WHEN c.relname LIKE 'ledger%' THEN 'ledger' ELSE c.relname END AS rel
		FROM pg_catalog.pg_class AS c WHERE c.relnamespace = 'raw'::regnamespace AND c.relkind = 'r'
		-- who is referred to comes first
		ORDER BY c.relname NOT IN ('person', 'member'), c.relname
	LOOP
		SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
			string_agg(CASE WHEN a.atttypid = 'tripwire'::regtype THEN format('(coalesce(''HIDDEN['' || nullif(%s, '''') || '']'', ''open '') || peek(r.%I))::tripwire',
				eq.letters(leaf.rel, k.category), a.attname) ELSE 'r.' || quote_ident(a.attname) END, ', ' ORDER BY a.attnum)
			INTO cols, hidden
			FROM pg_catalog.pg_attribute AS a LEFT JOIN eq.col AS k ON k.rel = leaf.rel AND k.col = a.attname
			WHERE a.attrelid = ('raw.' || leaf.name)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
		EXECUTE format('INSERT INTO a.%I (%s) SELECT %3$s FROM ONLY raw.%1$I AS r %4$s ORDER BY eq.rnd(''order'', (row_number() OVER ()), 1000000)', leaf.name, cols, hidden, eq.people(leaf.rel));
		FOR q IN SELECT * FROM eq.purpose WHERE purpose <> 'eq_umbrella' LOOP
			SELECT string_agg(CASE WHEN leaf.rel = 'product' OR k.category = 'none' OR k.category IS NULL THEN 'r.' || quote_ident(a.attname)
				ELSE format('CASE WHEN %s THEN r.%I ELSE %L::%s END', eq.may_see(leaf.rel, q.letter, k.category), a.attname, k.mask,
					format_type(a.atttypid, a.atttypmod)) END, ', ' ORDER BY a.attnum)
				INTO seen
				FROM pg_catalog.pg_attribute AS a LEFT JOIN eq.col AS k ON k.rel = leaf.rel AND k.col = a.attname
				WHERE a.attrelid = ('a.' || leaf.name)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
			EXECUTE format('INSERT INTO b_%s.%I (%s) SELECT %s FROM ONLY a.%2$I AS r %6$s WHERE %5$s ORDER BY eq.rnd(''order b'', (row_number() OVER ()), 1000000)',
				q.letter, leaf.name, cols, seen, coalesce(eq.may_see(leaf.rel, q.letter, 'row'), 'true'), eq.people(leaf.rel));
		END LOOP;
	END LOOP;
END
$$;
RESET search_path;
ANALYZE;
RESET tripwire.armed;
