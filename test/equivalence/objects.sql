-- Views and functions over the tables of schema :s.  Run for a and for every twin.
SET search_path = :s, tripwire;
SET ROLE regress_eq_owner;
GRANT CREATE ON SCHEMA :s TO regress_eq_other;
CREATE VIEW v_person AS SELECT person_id, name, city, tw_contact FROM person WHERE city <> 'city0' OR city IS NULL;
CREATE VIEW v_spend WITH (security_barrier) AS
	SELECT o.person_id, count(*) AS n, sum(o.amount) AS total, max(o.tw_contact) AS tw_contact FROM orders AS o GROUP BY o.person_id;
CREATE VIEW v_invoker WITH (security_invoker) AS SELECT m.member_id, m.tier, t.title, t.tw_contact FROM member AS m LEFT JOIN ticket AS t USING (member_id);
RESET ROLE;
SET ROLE regress_eq_other;
CREATE VIEW v_other AS SELECT p.person_id, p.name, o.amount, o.state, o.tw_health FROM person AS p JOIN orders AS o USING (person_id);
CREATE VIEW v_nested WITH (security_barrier) AS SELECT v.person_id, v.name, v.amount, v.tw_health FROM v_other AS v WHERE v.state = 'open';
RESET ROLE;
CREATE VIEW v_super AS SELECT acc, sum(amount) AS amount, count(tw_contact) AS n, min(tw_contact) AS tw_contact FROM ledger GROUP BY acc;
CREATE VIEW v_union AS SELECT person_id, tw_contact FROM orders UNION ALL SELECT person_id, tw_contact FROM visit;

-- SQL functions of both styles, one that is inlined and one that is not; plpgsql
CREATE FUNCTION f_orders(integer) RETURNS SETOF orders LANGUAGE sql STABLE AS $$ SELECT * FROM orders WHERE person_id = $1 $$;
CREATE FUNCTION f_rich(numeric) RETURNS TABLE (person_id integer, amount numeric, tw_contact tripwire) LANGUAGE sql STABLE
	BEGIN ATOMIC SELECT o.person_id, o.amount, o.tw_contact FROM orders AS o WHERE o.amount > $1; END;
CREATE FUNCTION f_points(uuid) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT sum(points) FROM event WHERE member_id = $1 $$;
CREATE FUNCTION f_atomic(integer) RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM visit WHERE person_id = $1; END;
CREATE FUNCTION f_loop(text) RETURNS TABLE (person_id integer, name text, tw_contact tripwire) LANGUAGE plpgsql STABLE AS $$
BEGIN
	FOR person_id, name, tw_contact IN SELECT p.person_id, p.name, p.tw_contact FROM person AS p WHERE p.city = $1 LOOP
		RETURN NEXT;
	END LOOP;
END $$;
CREATE FUNCTION f_query() RETURNS SETOF message LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN QUERY SELECT * FROM message; END $$;
CREATE FUNCTION f_definer(integer) RETURNS SETOF visit LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT * FROM visit WHERE person_id = $1 $$;
-- leaky: cheap, so that a planner likes to evaluate it early, and it looks at what it gets
CREATE FUNCTION f_leak(tripwire) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 0.0001 AS $$ BEGIN RETURN $1::text <> ''; END $$;
CREATE FUNCTION f_leak_row(person) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS $$ BEGIN RETURN ($1)::text <> ''; END $$;
-- runs a query inside a function
CREATE FUNCTION collect(query text) RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE query LOOP
		RETURN NEXT r::text;
	END LOOP;
END $$;
CREATE FUNCTION collect_at_once(query text) RETURNS SETOF text LANGUAGE plpgsql VOLATILE AS
	$$ BEGIN RETURN QUERY EXECUTE 'SELECT q::text FROM (' || query || ') AS q'; END $$;
GRANT ALL ON ALL TABLES IN SCHEMA :s TO regress_eq_owner, regress_eq_app, regress_eq_bypass, regress_eq_other;
RESET search_path;
