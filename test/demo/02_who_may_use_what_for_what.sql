\ir check/begin.psql
\echo '2. Who may use what, and what for.'
\echo
\o /dev/null
CREATE EXTENSION personalize;
SELECT personalize.assign_duty('privacy_officer', 'officer');
SELECT personalize.assign_duty('privacy_auditor', 'auditor');
SELECT personalize.assign_duty('shop_app', 'app');
SET ROLE privacy_officer;
SELECT personalize.define_category('contact', 'Name and e-mail address');
SELECT personalize.define_category('purchases', 'What was bought and when');
SELECT personalize.define_purpose('order_fulfilment', 'Send what was ordered', legal_basis => 'contract',
	categories => '{contact,purchases}');
SELECT personalize.define_purpose('recommendations', 'Suggest what others bought', legal_basis => 'consent',
	categories => '{purchases}');
SELECT personalize.define_purpose('email_marketing', 'Send offers', legal_basis => 'consent',
	categories => '{contact}');
SELECT personalize.grant_purpose('order_fulfilment', 'shop_app');
SELECT personalize.grant_purpose('recommendations', 'shop_app');
SELECT personalize.grant_purpose('recommendations', 'shop_owner');
SELECT personalize.protect('customers', 'customer_id', columns => '{"*": "contact"}');
SELECT personalize.protect('orders', 'customer_id', columns => '{"order_id": "none", "*": "purchases"}');
SELECT personalize.protect('order_lines', 'customer_id', columns => '{"order_id": "none", "*": "purchases"}');
\o
SELECT name, legal_basis, categories, granted_to FROM personalize.purposes WHERE NOT builtin ORDER BY name COLLATE "C";
\set ECHO none
RESET ROLE;
-- from here on every use is on record
SELECT personalize.audit_sync() \g /dev/null
