-- What may be seen for which purpose: worked out here from what people said
-- (eq.said), never by asking the extension.
CREATE TABLE eq.may (kind text, key text, purpose text, category text, ok boolean, PRIMARY KEY (kind, key, purpose, category));
INSERT INTO eq.may
	WITH effective AS (
		-- who never spoke about a purpose has spoken about its parent, if at all
		SELECT s.kind, s.key, p.purpose, s.round, s.action, s.explicit, s.expires,
			coalesce(s.categories, CASE WHEN s.action = 'given' THEN ARRAY(SELECT c.category FROM eq.purpose_category AS c
				WHERE c.purpose = s.purpose AND c.since_round <= s.round) END) AS categories
		FROM eq.purpose AS p JOIN eq.said AS s
			ON s.purpose = p.purpose OR (s.purpose = p.parent AND NOT EXISTS (
				SELECT 1 FROM eq.said AS own WHERE own.kind = s.kind AND own.key = s.key AND own.purpose = p.purpose)))
	SELECT w.kind, w.key, p.purpose, c.category,
		NOT w.restricted AND NOT w.erased AND CASE
			WHEN c.category = 'eq_health' OR p.basis = 'explicit_consent' THEN coalesce(e.action = 'given' AND e.explicit AND NOT e.expires, false)
			WHEN p.basis = 'consent' THEN coalesce(e.action = 'given' AND NOT e.expires, false)
			WHEN p.basis = 'legitimate_interest' THEN coalesce(e.action = 'given', true)
			ELSE true END
	FROM eq.person AS w CROSS JOIN eq.purpose AS p
		JOIN eq.purpose_category AS c ON c.purpose = p.purpose
		LEFT JOIN LATERAL (SELECT * FROM effective AS x
			WHERE x.kind = w.kind AND x.key = w.key AND x.purpose = p.purpose
				AND (x.categories IS NULL OR c.category = ANY (x.categories))
			ORDER BY x.round DESC LIMIT 1) AS e ON true;
ANALYZE eq.may;

-- The relations: subjects and categories
CREATE TABLE eq.path (rel text, kind text, col text, null_visible boolean);
INSERT INTO eq.path VALUES ('person', 'eq_number', 'person_id', false), ('orders', 'eq_number', 'person_id', false),
	('visit', 'eq_number', 'person_id', true), ('dossier', 'eq_number', 'person_id', false),
	('member', 'eq_uuid', 'member_id', false), ('event', 'eq_uuid', 'member_id', false), ('ticket', 'eq_uuid', 'member_id', false),
	('account', 'eq_text', 'acc', false), ('ledger', 'eq_text', 'acc', false),
	('message', 'eq_number', 'sender', false), ('message', 'eq_number', 'recipient', false);
CREATE TABLE eq.col (rel text, col text, category text, mask text, PRIMARY KEY (rel, col));
INSERT INTO eq.col VALUES
	('person', 'person_id', 'none', NULL), ('person', 'name', 'eq_contact', NULL), ('person', 'email', 'eq_contact', 'nobody@example.com'),
	('person', 'city', 'eq_location', NULL), ('person', 'born', 'eq_contact', NULL), ('person', 'tags', 'eq_purchases', NULL),
	('person', 'profile', 'eq_health', NULL), ('person', 'score', 'eq_purchases', '-1.00'),
	('person', 'tw_contact', 'eq_contact', NULL), ('person', 'tw_health', 'eq_health', NULL),
	('orders', 'order_id', 'none', NULL), ('orders', 'person_id', 'none', NULL), ('orders', 'placed', 'eq_purchases', NULL),
	('orders', 'amount', 'eq_purchases', NULL), ('orders', 'note', 'eq_health', 'withheld'), ('orders', 'lines', 'eq_purchases', NULL),
	('orders', 'during', 'eq_location', NULL), ('orders', 'state', 'eq_purchases', NULL), ('orders', 'tw_contact', 'eq_contact', NULL),
	('orders', 'tw_health', 'eq_health', NULL),
	('visit', 'visit_id', 'none', NULL), ('visit', 'person_id', 'none', NULL), ('visit', 'page', 'eq_contact', '/'),
	('visit', 'at', 'eq_location', NULL), ('visit', 'ms', 'eq_purchases', '7'), ('visit', 'place', 'eq_location', NULL),
	('visit', 'tw_contact', 'eq_contact', NULL),
	('dossier', 'dossier_id', 'none', NULL), ('dossier', 'person_id', 'none', NULL), ('dossier', 'topic', 'eq_purchases', NULL),
	('dossier', 'closed_fact', 'eq_closed', NULL), ('dossier', 'tw_contact', 'eq_contact', NULL),
	('member', 'member_id', 'none', NULL), ('member', 'handle', 'eq_contact', 'anonymous'), ('member', 'tier', 'eq_purchases', NULL),
	('member', 'joined', 'eq_contact', '2000-01-01'), ('member', 'prefs', 'eq_location', '{}'), ('member', 'points', 'eq_purchases', NULL),
	('member', 'tw_contact', 'eq_contact', NULL),
	('event', 'event_id', 'none', NULL), ('event', 'member_id', 'none', NULL), ('event', 'day', 'eq_location', NULL),
	('event', 'what', 'eq_purchases', NULL), ('event', 'points', 'eq_purchases', '0'), ('event', 'tw_contact', 'eq_contact', NULL),
	('ticket', 'ticket_id', 'none', NULL), ('ticket', 'member_id', 'none', NULL), ('ticket', 'channel', 'none', NULL),
	('ticket', 'title', 'eq_contact', NULL), ('ticket', 'severity', 'eq_health', NULL), ('ticket', 'tw_contact', 'eq_contact', NULL),
	('account', 'acc', 'none', NULL), ('account', 'holder', 'eq_contact', NULL), ('account', 'balance', 'eq_purchases', NULL),
	('account', 'opened', 'eq_contact', NULL), ('account', 'tw_contact', 'eq_contact', NULL),
	('ledger', 'entry', 'none', NULL), ('ledger', 'acc', 'none', NULL), ('ledger', 'amount', 'eq_purchases', '0.00'),
	('ledger', 'memo', 'eq_contact', NULL), ('ledger', 'at', 'eq_location', NULL), ('ledger', 'tw_contact', 'eq_contact', NULL),
	('message', 'message_id', 'none', NULL), ('message', 'sender', 'none', NULL), ('message', 'recipient', 'none', NULL),
	('message', 'body', 'eq_contact', NULL), ('message', 'sent', 'eq_purchases', NULL), ('message', 'words', 'eq_location', '{}'),
	('message', 'tw_contact', 'eq_contact', NULL), ('message', 'tw_health', 'eq_health', NULL);

-- One line for each person: {"row_a": ..., "eq_contact_a": ...}, the letter being that of the purpose
CREATE TABLE eq.wide (kind text, key text, ok jsonb, PRIMARY KEY (kind, key));
INSERT INTO eq.wide
	SELECT w.kind, w.key, jsonb_object_agg(w.what || '_' || q.letter, w.ok)
	FROM (SELECT kind, key, purpose, category AS what, ok FROM eq.may
			UNION ALL SELECT kind, key, purpose, 'row', bool_or(ok) FROM eq.may GROUP BY kind, key, purpose) AS w
		JOIN eq.purpose AS q USING (purpose)
	GROUP BY w.kind, w.key;
ANALYZE eq.wide;

-- May a category (or 'row') of a row AS r be seen?  As text, for a query that has eq.people(rel) joined.
-- Whoever never said anything and is not in eq.person is somebody all the same.
CREATE FUNCTION eq.may_see(rel text, letter text, what text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT CASE WHEN what = 'none' THEN 'true' ELSE '(' || string_agg(format('CASE WHEN r.%I IS NULL THEN %L::boolean ELSE coalesce((m_%s.ok ->> %L)::boolean, %L) END',
			p.col, p.null_visible, p.col, what || '_' || may_see.letter, may_see.letter IN ('s', 'i') AND what <> 'eq_health'), ' AND ') || ')' END
		FROM eq.path AS p WHERE p.rel = may_see.rel $$;
CREATE FUNCTION eq.people(rel text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT coalesce(string_agg(format('LEFT JOIN eq.wide AS m_%1$s ON m_%1$s.kind = %2$L AND m_%1$s.key = r.%1$I::text', p.col, p.kind), ' '), '')
		FROM eq.path AS p WHERE p.rel = people.rel $$;
-- The letters of those purposes for which a category of a row is withheld, as an expression
CREATE FUNCTION eq.letters(rel text, category text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT string_agg(format('CASE WHEN %s AND %s THEN '''' ELSE %L END', eq.may_see(rel, q.letter, 'row'),
			eq.may_see(rel, q.letter, letters.category), q.letter), ' || ' ORDER BY q.letter)
		FROM eq.purpose AS q WHERE q.purpose <> 'eq_umbrella' $$;
-- May these columns of a row be written?  subject_2: of a second path.
CREATE FUNCTION eq.can_write(rel text, letter text, cols text[], subject text, subject_2 text) RETURNS boolean LANGUAGE sql STABLE AS
	$$ SELECT bool_and(CASE WHEN c.category = 'none' THEN true WHEN k.key IS NULL THEN p.null_visible
			ELSE coalesce((w.ok ->> (c.category || '_' || can_write.letter))::boolean, can_write.letter IN ('s', 'i') AND c.category <> 'eq_health') END)
		FROM eq.path AS p JOIN eq.col AS c ON c.rel = p.rel
			CROSS JOIN LATERAL (SELECT CASE WHEN p.col = 'recipient' THEN subject_2 ELSE subject END) AS k (key)
			LEFT JOIN eq.wide AS w ON w.kind = p.kind AND w.key = k.key
		WHERE p.rel = can_write.rel AND c.col = ANY (cols) $$;
