-- The tables of one schema.  :s names it; :strict says whether it has the
-- constraints and partitions of the protected one.  The plain twins go without
-- those that masked values would break, which is also what a planner must not
-- conclude from in the protected one.
CREATE SCHEMA :s AUTHORIZATION regress_eq_owner;
GRANT USAGE ON SCHEMA :s TO PUBLIC;
SET ROLE regress_eq_owner;
SET search_path = :s, tripwire;

CREATE TABLE person (person_id integer PRIMARY KEY, name text, email text, city text, born date, tags text[],
	profile jsonb, score numeric(10,2), tw_contact tripwire, tw_health tripwire);
CREATE TABLE orders (order_id bigint PRIMARY KEY, person_id integer REFERENCES person ON DELETE CASCADE, placed timestamptz,
	amount numeric(12,2), note text, lines integer[], during tstzrange, state text, tw_contact tripwire, tw_health tripwire);
CREATE TABLE visit (visit_id integer PRIMARY KEY, person_id integer, page text, at timestamptz, ms integer, place int4range,
	tw_contact tripwire);
CREATE TABLE dossier (dossier_id integer PRIMARY KEY, person_id integer NOT NULL, topic text, closed_fact text, unclassified text,
	tw_contact tripwire);
CREATE TABLE member (member_id uuid PRIMARY KEY, handle text, tier text, joined date, prefs jsonb, points integer,
	tw_contact tripwire);
CREATE TABLE ticket (ticket_id integer PRIMARY KEY, member_id uuid REFERENCES member, channel text, title text, severity integer,
	tw_contact tripwire);
CREATE TABLE account (acc text COLLATE "C" PRIMARY KEY, holder text, balance numeric(12,2), opened date, tw_contact tripwire);
CREATE TABLE ledger (entry integer, acc text COLLATE "C", amount numeric(12,2), memo text, at timestamptz, tw_contact tripwire);
CREATE TABLE ledger_old (archived boolean) INHERITS (ledger);
CREATE TABLE ledger_older () INHERITS (ledger_old);
CREATE TABLE message (message_id integer PRIMARY KEY, sender integer, recipient integer, body text, sent timestamptz, words integer[],
	tw_contact tripwire, tw_health tripwire);
CREATE TABLE product (product_id integer PRIMARY KEY, label text, price numeric(12,2), city text);

\if :strict
CREATE TABLE event (event_id bigint NOT NULL, member_id uuid, day integer NOT NULL, what text, points integer,
	tw_contact tripwire) PARTITION BY RANGE (day);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10);
-- its columns lie in another order
CREATE TABLE event_2 (gone text, tw_contact tripwire, day integer NOT NULL, points integer, member_id uuid, event_id bigint NOT NULL, what text);
ALTER TABLE event_2 DROP COLUMN gone;
ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM (10) TO (20);
CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM (20) TO (40) PARTITION BY LIST (day);
CREATE TABLE event_31 PARTITION OF event_3 FOR VALUES IN (20, 21, 22);
CREATE TABLE event_32 PARTITION OF event_3 DEFAULT;

ALTER TABLE person ALTER name SET NOT NULL, ALTER email SET NOT NULL, ADD UNIQUE (email), ADD CHECK (score >= 0),
	ALTER tw_health SET NOT NULL;
ALTER TABLE orders ALTER placed SET NOT NULL, ADD CHECK (amount > 0);
ALTER TABLE ticket ALTER title SET NOT NULL;
CREATE UNIQUE INDEX ON member (handle);
CREATE INDEX ON event (day, member_id);
\else
CREATE TABLE event (event_id bigint, member_id uuid, day integer, what text, points integer, tw_contact tripwire);
CREATE TABLE event_1 () INHERITS (event);
CREATE TABLE event_2 (tw_contact tripwire, day integer, points integer, member_id uuid, event_id bigint, what text) INHERITS (event);
CREATE TABLE event_3 () INHERITS (event);
CREATE TABLE event_31 () INHERITS (event_3);
CREATE TABLE event_32 () INHERITS (event_3);
\endif

CREATE INDEX ON person (city, name);
CREATE INDEX ON person USING hash (email);
CREATE INDEX ON person USING gin (tags);
CREATE INDEX ON person USING gin (profile jsonb_path_ops);
CREATE INDEX ON person (lower(name));
CREATE INDEX ON orders (person_id) INCLUDE (amount, state);
CREATE INDEX ON orders (placed) WHERE state = 'open';
CREATE INDEX ON orders USING gist (during);
CREATE INDEX ON orders USING gin (lines);
CREATE INDEX ON orders USING brin (placed);
CREATE INDEX ON visit (person_id, at);
CREATE INDEX ON visit USING gist (place);
CREATE INDEX ON visit (page text_pattern_ops);
CREATE INDEX ON ticket (member_id, severity);
CREATE INDEX ON ledger (acc, at);
CREATE INDEX ON ledger_old (acc);
CREATE INDEX ON account (holder, balance);
-- tables that are not written to: who inserts into such an index looks at its neighbours
CREATE INDEX ON account (tw_contact);
CREATE INDEX ON dossier USING hash (tw_contact);
CREATE INDEX ON message (sender);
CREATE INDEX ON message (recipient);
CREATE INDEX ON message USING gin (words);

-- a policy of the application itself, in force for everybody
ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;
ALTER TABLE ticket FORCE ROW LEVEL SECURITY;
CREATE POLICY not_internal ON ticket USING (channel <> 'internal');

GRANT ALL ON ALL TABLES IN SCHEMA :s TO regress_eq_app, regress_eq_bypass, regress_eq_other;
RESET ROLE;
RESET search_path;
