-- The people, what they said, and the rows about them (in schema raw).  All of
-- it follows from :seed.  With :cells = 0 everybody says yes or no to
-- everything, so no cell is ever masked.
CREATE TABLE eq.setting (seed integer, cells boolean);
INSERT INTO eq.setting VALUES (:seed, :cells::integer::boolean);
CREATE FUNCTION eq.rnd(what text, n bigint, below integer) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS
	$$ SELECT (('x' || substr(md5((SELECT seed FROM eq.setting) || ':' || what || ':' || n), 1, 7))::bit(28)::integer % below) $$;

CREATE TABLE eq.purpose (purpose text PRIMARY KEY, letter text, basis text, parent text);
INSERT INTO eq.purpose VALUES ('eq_analysis', 'a', 'consent', 'eq_umbrella'), ('eq_vip', 'v', 'explicit_consent', NULL),
	('eq_service', 's', 'contract', NULL), ('eq_interest', 'i', 'legitimate_interest', NULL), ('eq_umbrella', 'u', 'consent', NULL);
CREATE TABLE eq.purpose_category (purpose text, category text, since_round integer);
INSERT INTO eq.purpose_category
	SELECT p.purpose, c.category, CASE WHEN c.category = 'eq_location' AND cells THEN 2 ELSE 1 END
	FROM eq.setting, eq.purpose AS p, unnest('{eq_contact,eq_location,eq_purchases,eq_health}'::text[]) AS c (category)
	WHERE p.purpose <> 'eq_umbrella' OR c.category <> 'eq_location' OR NOT cells;

CREATE TABLE eq.person (kind text, key text, n integer, restricted boolean, erased boolean, PRIMARY KEY (kind, key));
INSERT INTO eq.person
	SELECT k.kind, CASE k.kind WHEN 'eq_number' THEN n::text WHEN 'eq_uuid' THEN md5('member' || n)::uuid::text
			ELSE 'ACC/' || chr(65 + n % 26) || n END,
		n, eq.rnd('restrict' || k.kind, n, 14) = 0, eq.rnd('erase' || k.kind, n, 20) = 0
	FROM (VALUES ('eq_number', 60), ('eq_uuid', 40), ('eq_text', 40)) AS k (kind, many), generate_series(1, k.many) AS n;

-- Round 1 is before the purposes list the category eq_location.
CREATE TABLE eq.said (round integer, kind text, key text, purpose text, action text, categories text[], explicit boolean, expires boolean);
DO $$
DECLARE
	cells boolean := (SELECT s.cells FROM eq.setting AS s);
	p record;
	q record;
	who text;
	round integer;
	kind_of_event integer;
	chosen text[];
	said text;
BEGIN
	FOR p IN SELECT * FROM eq.person ORDER BY kind, n LOOP
		FOR q IN SELECT * FROM eq.purpose ORDER BY purpose LOOP
			who := p.kind || q.purpose;
			FOR round IN 1 .. 3 LOOP
				kind_of_event := eq.rnd('event' || who || round, p.n, 10);
				CONTINUE WHEN kind_of_event < 4;
				chosen := NULL;
				IF cells AND eq.rnd('some' || who || round, p.n, 10) < 6 THEN
					chosen := ARRAY(SELECT c.category FROM eq.purpose_category AS c
						WHERE c.purpose = q.purpose AND c.since_round <= round
							AND eq.rnd('category' || who || round || c.category, p.n, 2) = 0 ORDER BY 1);
					chosen := nullif(chosen, '{}');
				END IF;
				said := CASE WHEN kind_of_event < 8 THEN 'given'
					ELSE (ARRAY['refused', 'withdrawn', 'objected'])[1 + eq.rnd('no' || who || round, p.n, 3)] END;
				INSERT INTO eq.said VALUES (round, p.kind, p.key, q.purpose, said, chosen,
					said = 'given' AND (NOT cells OR eq.rnd('explicit' || who || round, p.n, 3) > 0),
					said = 'given' AND eq.rnd('expires' || who || round, p.n, 8) = 0);
			END LOOP;
		END LOOP;
	END LOOP;
END
$$;

SET search_path = raw, tripwire;
SET tripwire.armed = off;
INSERT INTO person
	SELECT n, 'name' || eq.rnd('name', n, 30), 'mail' || n || '@example.com', 'city' || eq.rnd('city', n, 6),
		CASE WHEN eq.rnd('born?', n, 6) > 0 THEN date '1950-01-01' + eq.rnd('born', n, 18000) END,
		CASE WHEN eq.rnd('tags?', n, 6) > 0 THEN ARRAY['t' || eq.rnd('t1', n, 5), 't' || eq.rnd('t2', n, 5)] END,
		CASE WHEN eq.rnd('profile?', n, 6) > 0 THEN jsonb_build_object('blood', (ARRAY['A', 'B', '0'])[1 + eq.rnd('blood', n, 3)],
			'visits', eq.rnd('visits', n, 5)) END,
		eq.rnd('score', n, 500) / 4.0, 'p' || n, 'h' || n
	FROM generate_series(1, 60) AS n;
INSERT INTO orders
	SELECT n, CASE WHEN eq.rnd('nobody', n, 20) > 0 THEN 1 + eq.rnd('orders', n, 60) END,
		timestamptz '2024-01-01 00:00+00' + eq.rnd('placed', n, 400) * interval '5 hours', 1 + eq.rnd('amount', n, 4000) / 8.0,
		CASE WHEN eq.rnd('note?', n, 3) > 0 THEN 'note ' || eq.rnd('note', n, 12) END,
		ARRAY[eq.rnd('l1', n, 9), eq.rnd('l2', n, 9), eq.rnd('l3', n, 9)],
		tstzrange(timestamptz '2024-01-01 00:00+00' + eq.rnd('during', n, 100) * interval '1 day',
			timestamptz '2024-01-01 00:00+00' + (eq.rnd('during', n, 100) + 1 + eq.rnd('long', n, 20)) * interval '1 day'),
		(ARRAY['open', 'paid', 'sent'])[1 + eq.rnd('state', n, 3)], 'o' || eq.rnd('otw', n, 90), 'h' || eq.rnd('ohw', n, 60)
	FROM generate_series(1, 220) AS n;
INSERT INTO visit
	SELECT n, CASE WHEN eq.rnd('nobody v', n, 5) > 0 THEN 1 + eq.rnd('visit', n, 60) END, '/page' || eq.rnd('page', n, 9),
		timestamptz '2024-01-01 00:00+00' + eq.rnd('at', n, 90) * interval '1 hour', eq.rnd('ms', n, 50) * 10,
		int4range(eq.rnd('pl', n, 20), eq.rnd('pl', n, 20) + 1 + eq.rnd('pll', n, 9)), 'v' || eq.rnd('vtw', n, 60)
	FROM generate_series(1, 120) AS n;
INSERT INTO dossier
	SELECT n, 1 + eq.rnd('dossier', n, 60), 'topic' || eq.rnd('topic', n, 7), 'closed' || n, 'nobody knows' || n, 'd' || n
	FROM generate_series(1, 70) AS n;
INSERT INTO member
	SELECT md5('member' || n)::uuid, 'handle' || n, (ARRAY['gold', 'silver', NULL])[1 + eq.rnd('tier', n, 3)],
		date '2020-01-01' + eq.rnd('joined', n, 1500), jsonb_build_object('lang', (ARRAY['de', 'en', 'fr'])[1 + eq.rnd('lang', n, 3)]),
		eq.rnd('points', n, 20), 'm' || n
	FROM generate_series(1, 40) AS n;
INSERT INTO event
	SELECT n, md5('member' || (1 + eq.rnd('event m', n, 40)))::uuid, eq.rnd('day', n, 40), 'what' || eq.rnd('what', n, 5),
		CASE WHEN eq.rnd('ep?', n, 5) > 0 THEN eq.rnd('ep', n, 20) END, 'e' || eq.rnd('etw', n, 70)
	FROM generate_series(1, 180) AS n;
INSERT INTO ticket
	SELECT n, CASE WHEN eq.rnd('nobody t', n, 10) > 0 THEN md5('member' || (1 + eq.rnd('ticket', n, 40)))::uuid END,
		(ARRAY['mail', 'phone', 'internal'])[1 + eq.rnd('channel', n, 3)], 'title ' || eq.rnd('title', n, 9), eq.rnd('severity', n, 5),
		't' || eq.rnd('ttw', n, 40)
	FROM generate_series(1, 110) AS n;
INSERT INTO account
	SELECT 'ACC/' || chr(65 + n % 26) || n, 'name' || eq.rnd('holder', n, 30), eq.rnd('balance', n, 9000) / 4.0 - 500,
		CASE WHEN eq.rnd('opened?', n, 4) > 0 THEN date '2019-01-01' + eq.rnd('opened', n, 900) END, 'a' || n
	FROM generate_series(1, 40) AS n;
CREATE TABLE entries AS
	SELECT n AS entry, a.acc, eq.rnd('lam', n, 800) / 4.0 - 60 AS amount, 'memo ' || eq.rnd('memo', n, 8) AS memo,
		timestamptz '2024-01-01 00:00+00' + eq.rnd('lat', n, 90) * interval '1 hour' AS at, ('l' || eq.rnd('ltw', n, 50))::tripwire AS tw_contact
	FROM generate_series(1, 150) AS n JOIN (SELECT m, 'ACC/' || chr(65 + m % 26) || m AS acc FROM generate_series(1, 42) AS m) AS a
		ON m = 1 + eq.rnd('lacc', n, 42);
INSERT INTO ledger SELECT * FROM entries WHERE entry % 3 = 0;
INSERT INTO ledger_old SELECT e.*, entry % 2 = 0 FROM entries AS e WHERE entry % 3 = 1;
INSERT INTO ledger_older SELECT e.*, entry % 2 = 0 FROM entries AS e WHERE entry % 3 = 2;
DROP TABLE entries;
INSERT INTO message
	SELECT n, 1 + eq.rnd('sender', n, 60), CASE WHEN eq.rnd('rec?', n, 12) > 0 THEN 1 + eq.rnd('recipient', n, 60) END,
		'body ' || eq.rnd('body', n, 15), timestamptz '2024-01-01 00:00+00' + eq.rnd('sent', n, 200) * interval '3 hours',
		ARRAY[eq.rnd('w1', n, 9), eq.rnd('w2', n, 9)], 'x' || eq.rnd('mtw', n, 60), 'y' || eq.rnd('mhw', n, 60)
	FROM generate_series(1, 200) AS n;
INSERT INTO product SELECT n, 'name' || n, n * 7 % 50, 'city' || n % 8 FROM generate_series(0, 20) AS n;
RESET tripwire.armed;
RESET search_path;
