-- What is compared is worth it: the twins differ from the whole, some cells are
-- masked, and the tripwire fires.  Prints nothing when all is so.
\set ON_ERROR_STOP 1
DO $$
DECLARE
	letter text;
	n bigint;
	total bigint;
	masked bigint;
BEGIN
	FOREACH letter IN ARRAY ARRAY['a', 'v'] LOOP
		EXECUTE format('SELECT count(*), count(*) FILTER (WHERE tw_contact IS NULL) FROM b_%s.orders', letter) INTO n, masked;
		SELECT count(*) INTO total FROM raw.orders;
		IF n NOT BETWEEN total / 10 AND total * 9 / 10 THEN
			RAISE EXCEPTION 'b_% holds % of % orders: not much of a test', letter, n, total;
		END IF;
		IF (SELECT cells FROM eq.setting) AND masked = 0 THEN
			RAISE EXCEPTION 'no masked cell in b_%', letter;
		END IF;
	END LOOP;
	BEGIN
		PERFORM tw_contact::text FROM (SELECT 'HIDDEN'::tripwire.tripwire AS tw_contact) AS h;
		RAISE EXCEPTION 'the tripwire did not fire';
	EXCEPTION WHEN SQLSTATE 'TW001' THEN
		NULL;
	END;
	IF EXISTS (SELECT 1 FROM pg_catalog.pg_proc WHERE pronamespace = 'tripwire'::regnamespace AND proleakproof) THEN
		RAISE EXCEPTION 'a function of the tripwire is leakproof';
	END IF;
END
$$;
