-- Puts the keys of those who will be erased where free text can hold them.
\pset tuples_only on
\o /dev/null
SELECT personalize.grant_consent(key::bigint, 'recommendations', notice => 'for ' || key, method => 'letter of ' || key,
		evidence => jsonb_build_object('from', key), kind => 'subject')
	FROM unnest(:'keys'::text[]) AS key;
SET search_path = retail, pg_catalog;
SELECT 'BEGIN', 'SET LOCAL personalize.purpose = ''order_fulfilment''', format('SET LOCAL personalize.app_user = %L', key),
		format('SET LOCAL personalize.context = %L', 'parcel for ' || key),
		format('SET LOCAL application_name = %L', 'desk ' || key),
		format('SELECT count(*) FROM orders JOIN order_lines USING (invoice) WHERE orders.customer_id = %s', key), 'COMMIT'
	FROM unnest(:'keys'::text[]) AS key \gexec
SELECT personalize.audit_sync();
