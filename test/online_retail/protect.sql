-- Who may use what, and what for.
CREATE EXTENSION IF NOT EXISTS personalize;
SELECT personalize.assign_duty('shop_app', 'app');
SELECT personalize.assign_duty('shop_officer', 'officer');
SELECT personalize.assign_duty('shop_auditor', 'auditor');

SET ROLE shop_officer;
SELECT personalize.define_category('location', 'Country of the customer');
SELECT personalize.define_category('purchases', 'What was bought, when and for how much');
SELECT personalize.define_purpose('recommendations', 'Suggest what others bought', legal_basis => 'consent',
	categories => '{location,purchases}');
SELECT personalize.define_purpose('order_fulfilment', 'Send what was ordered', legal_basis => 'contract',
	categories => '{location,purchases}');
SELECT personalize.define_purpose('analytics', 'Count what is sold where', legal_basis => 'legitimate_interest',
	categories => '{location,purchases}');
SELECT personalize.grant_purpose(purpose, role::regrole)
	FROM unnest('{recommendations,order_fulfilment,analytics}'::text[]) AS purpose
		CROSS JOIN unnest('{shop_app,shop_owner,shop_bypass}'::text[]) AS role;
SELECT personalize.protect('retail.customers', 'customer_id', columns => '{"country": "location"}');
SELECT personalize.protect('retail.orders', 'customer_id', columns => '{"invoice": "none", "country": "location", "*": "purchases"}');
SELECT personalize.protect('retail.order_lines', 'customer_id', columns => '{"line_id": "none", "invoice": "none", "*": "purchases"}');
RESET ROLE;
