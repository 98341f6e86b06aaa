-- CREATE EXTENSION works on a preloaded server, and what it makes is closed:
-- PUBLIC may call what the contract names, read nothing, and make nothing.
CREATE EXTENSION personalize;
SELECT extversion, extnamespace::regnamespace, extrelocatable FROM pg_extension WHERE extname = 'personalize';

-- functions PUBLIC may call
SELECT DISTINCT p.proname COLLATE "C" AS public_function
FROM pg_proc p
WHERE p.pronamespace = 'personalize'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY 1;

-- relations PUBLIC may do anything with: none
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'personalize'::regnamespace
	AND ((c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))
		 OR (c.relkind = 'S' AND has_sequence_privilege('public', c.oid, 'USAGE, SELECT, UPDATE')))
ORDER BY c.relname COLLATE "C";
SELECT has_schema_privilege('public', 'personalize', 'USAGE') AS usage, has_schema_privilege('public', 'personalize', 'CREATE') AS "create";

-- functions that run as their owner without a search path of their own: none
SELECT p.oid::regprocedure
FROM pg_proc p
WHERE p.pronamespace = 'personalize'::regnamespace AND p.prosecdef
	AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- tables and sequences that pg_dump leaves out: those that describe this server's WAL
SELECT c.relname
FROM pg_class c
JOIN pg_extension e ON e.extname = 'personalize'
WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p', 'S')
	AND NOT c.oid = ANY (e.extconfig)
ORDER BY c.relname COLLATE "C";

-- columns of types that pg_upgrade refuses: none
SELECT a.attrelid::regclass, a.attname, a.atttypid::regtype
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p', 'm') AND a.attnum > 0
	AND a.atttypid IN ('regproc'::regtype, 'regprocedure'::regtype, 'regoper'::regtype, 'regoperator'::regtype,
					   'regnamespace'::regtype, 'regcollation'::regtype, 'regconfig'::regtype, 'regdictionary'::regtype)
ORDER BY a.attrelid, a.attnum;

-- a second one does no harm
CREATE EXTENSION IF NOT EXISTS personalize;
