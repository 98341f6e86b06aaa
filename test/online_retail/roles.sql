-- Roles nobody can log in with; again: nothing happens.
DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY '{shop_owner,shop_app,shop_app_member,shop_bypass,shop_officer,shop_auditor}'::text[] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', role);
		END IF;
	END LOOP;
	IF NOT pg_has_role('shop_app_member', 'shop_app', 'member') THEN
		GRANT shop_app TO shop_app_member;
	END IF;
END
$$;
ALTER ROLE shop_bypass BYPASSRLS;
