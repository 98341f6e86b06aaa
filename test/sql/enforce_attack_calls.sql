-- Attacks by what can tell that it was called: PostgreSQL's functions that fail, collations, domains of others.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_call_app;
CREATE ROLE regress_call_owner;
CREATE ROLE regress_call_type;
CREATE SCHEMA call AUTHORIZATION regress_call_owner;
CREATE SCHEMA call_type AUTHORIZATION regress_call_type;
GRANT USAGE ON SCHEMA call, call_type TO PUBLIC;
SET ROLE regress_call_type;
CREATE DOMAIN call_type.mail AS text;
RESET ROLE;
SET ROLE regress_call_owner;
CREATE TABLE call.person (id integer PRIMARY KEY, age integer, job text, mail call_type.mail, doubled integer GENERATED ALWAYS AS (age * 2) STORED);
INSERT INTO call.person SELECT i, 30 + i, 'job' || i, 'mail' || i FROM generate_series(1, 6) AS i;
GRANT ALL ON call.person TO regress_call_app;
RESET ROLE;
/* 1 to 3 agreed */
DO $$
BEGIN
	PERFORM personalize.define_kind('call', 'bigint');
	PERFORM personalize.define_category('call_general', 'for tests');
	PERFORM personalize.define_purpose('call_ads', 'for tests', categories => '{call_general}');
	PERFORM personalize.protect('call.person', 'id', kind => 'call', columns => '{"*":"call_general"}');
	PERFORM personalize.grant_purpose('call_ads', 'regress_call_app');
	PERFORM personalize.grant_consent(i, 'call_ads', kind => 'call') FROM generate_series(1, 3) AS i;
	PERFORM personalize.withdraw_consent(6, 'call_ads', kind => 'call');
END
$$;
ANALYZE call.person;
SET ROLE regress_call_app;
BEGIN;
SET LOCAL personalize.purpose = 'call_ads';
/* comparing areas and lengths fails: not for 35, of a person who did not agree */
SELECT id FROM call.person WHERE (array_fill('<(0,0),1>'::circle, ARRAY[34]) || circle '<(0,0),1e200>')[age] = circle '<(0,0),1>' ORDER BY id;
SELECT id FROM call.person WHERE (array_fill('[(0,0),(1,1)]'::lseg, ARRAY[34]) || lseg '[(-1e308,0),(1e308,0)]')[age] < lseg '[(0,0),(1,1)]' ORDER BY id;
SELECT id FROM call.person WHERE job = 'job6' AND ((array_fill('<(0,0),1e200>'::circle, ARRAY[9]))[id] = circle '<(0,0),1>'
	OR (array_fill('<(0,0),1e200>'::circle, ARRAY[9]))[id] = circle '<(0,0),2>');
SAVEPOINT a; SELECT id FROM call.person WHERE job = 'job1' AND ((array_fill('<(0,0),1e200>'::circle, ARRAY[9]))[id] = circle '<(0,0),1>'
	OR (array_fill('<(0,0),1e200>'::circle, ARRAY[9]))[id] = circle '<(0,0),2>'); ROLLBACK TO a;
/* no collation to compare by */
CREATE DOMAIN pg_temp.d1 AS text COLLATE "C";
CREATE DOMAIN pg_temp.d2 AS text COLLATE "POSIX";
SELECT id FROM call.person WHERE job = 'job6' AND ((array_fill('a'::pg_temp.d1, ARRAY[9]))[id] < 'y'::pg_temp.d2
	OR (array_fill('a'::pg_temp.d1, ARRAY[9]))[id] < 'z'::pg_temp.d2);
SAVEPOINT a; SELECT id FROM call.person WHERE job = 'job1' AND ((array_fill('a'::pg_temp.d1, ARRAY[9]))[id] < 'y'::pg_temp.d2
	OR (array_fill('a'::pg_temp.d1, ARRAY[9]))[id] < 'z'::pg_temp.d2); ROLLBACK TO a;
/* not with every collation */
CREATE COLLATION pg_temp.nd (provider = icu, locale = 'und', deterministic = false);
SELECT id FROM call.person WHERE job = 'job6' AND (starts_with(job COLLATE pg_temp.nd, 'x') OR starts_with(job COLLATE pg_temp.nd, 'y'));
SAVEPOINT a; SELECT id FROM call.person WHERE job = 'job1' AND (starts_with(job COLLATE pg_temp.nd, 'x') OR starts_with(job COLLATE pg_temp.nd, 'y')); ROLLBACK TO a;
/* no column is compared that has no value yet */
SAVEPOINT a; COPY call.person (id, age) FROM stdin WHERE doubled = 4;
\.
ROLLBACK TO a;
COMMIT;
/* what is to be said of a collation is said whatever rows there are */
RESET ROLE;
CREATE COLLATION call.old (provider = icu, locale = 'en', version = '0');
CREATE COLLATION call.gone (provider = icu, locale = 'en');
GRANT CREATE ON SCHEMA call TO regress_call_app;
\c -
\set VERBOSITY terse
SET ROLE regress_call_app;
SET client_min_messages = warning;
BEGIN;
SET LOCAL personalize.purpose = 'call_ads';
SELECT id FROM call.person WHERE job = 'job7' AND bttextcmp(job, 'zzz' COLLATE call.old) < 0;
SELECT id FROM call.person WHERE job = 'job6' AND bttextcmp(job, 'zzz' COLLATE call.old) < 0;
COMMIT;
/* every look into the ledger would be told */
RESET ROLE;
\c -reuse-previous=on "options='-c ignore_system_indexes=on'"
\set VERBOSITY terse
SET ROLE regress_call_app;
BEGIN;
SET LOCAL personalize.purpose = 'call_ads';
SELECT id FROM call.person WHERE job = 'job6';
ROLLBACK;
RESET ROLE;
\c -reuse-previous=on "options=''"
\set VERBOSITY terse
/* the owner of a domain is not that of the table */
SET ROLE regress_call_type;
ALTER DOMAIN call_type.mail ADD CHECK (VALUE <> 'mail4');
ALTER DOMAIN call_type.mail ADD CHECK (lo_from_bytea(0, convert_to(VALUE, 'UTF8')) > 0);
ALTER DOMAIN call_type.mail SET NOT NULL;
ALTER DOMAIN call_type.mail SET DEFAULT 'none';
RESET ROLE;
ALTER DOMAIN call_type.mail ADD CONSTRAINT not_7 CHECK (VALUE <> 'mail7');
SET ROLE regress_call_type;
ALTER DOMAIN call_type.mail VALIDATE CONSTRAINT not_7;
ALTER DOMAIN call_type.mail DROP CONSTRAINT not_7;
RESET ROLE;
/* conditions on statistics come after what hides them */
SELECT 1 FROM pg_statistic WHERE starelid = 'call.person'::regclass AND staattnum = 3 AND stawidth = 5 AND 1 / (random() * 0)::int = 1;
DROP SCHEMA call CASCADE;
DROP SCHEMA call_type CASCADE;
DROP OWNED BY regress_call_app, regress_call_owner, regress_call_type;
DROP ROLE regress_call_app, regress_call_owner, regress_call_type;
