-- Whoever has a duty can read each view of it: what a view calls, the reader must be allowed to call.
SET client_min_messages = warning;
CREATE ROLE regress_dv_app;
CREATE ROLE regress_dv_officer;
CREATE ROLE regress_dv_auditor;
SELECT personalize.assign_duty(('regress_dv_' || duty)::regrole, duty) FROM unnest('{app,officer,auditor}'::text[]) AS duty;
DO $$
DECLARE
	v record;
	n integer := 0;
BEGIN
	FOR v IN SELECT d.duty, o.object_name FROM unnest('{app,officer,auditor}'::text[]) AS d (duty), personalize.duty_objects_internal(d.duty) AS o
		WHERE o.is_view AND to_regclass('personalize.' || o.object_name) IS NOT NULL ORDER BY 1, o.object_name COLLATE "C"
	LOOP
		BEGIN
			EXECUTE format('SET LOCAL ROLE regress_dv_%s', v.duty);
			EXECUTE format('SELECT * FROM personalize.%I', v.object_name);
			RESET ROLE;
			n := n + 1;
		EXCEPTION WHEN OTHERS THEN
			RESET ROLE;
			RAISE WARNING 'duty %: view %: %', v.duty, v.object_name, SQLERRM;
		END;
	END LOOP;
	IF n < 50 THEN
		RAISE WARNING 'only % views could be read', n;
	END IF;
END
$$;
DROP OWNED BY regress_dv_app, regress_dv_officer, regress_dv_auditor;
DROP ROLE regress_dv_app, regress_dv_officer, regress_dv_auditor;
