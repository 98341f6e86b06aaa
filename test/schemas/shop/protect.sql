-- Whose rows these are, what the columns hold, what they may be used for, and what erasure does.
SELECT personalize.define_kind('shop_customer', 'bigint');
SELECT personalize.define_kind('shop_employee', 'bigint');
SELECT personalize.define_kind('shop_member', 'text');
SELECT personalize.define_category('shop_contact', 'Names, addresses and how to reach somebody');
SELECT personalize.define_category('shop_purchases', 'What was bought and paid');
SELECT personalize.define_category('shop_words', 'What somebody wrote');
SELECT personalize.define_purpose('shop_advice', 'Suggest products', categories => '{shop_purchases}', retention => '2 years');
SELECT personalize.define_purpose('shop_newsletter', 'Send news', categories => '{shop_contact}', recipients => '{Mailer Inc}', retention => '2 years');
SELECT personalize.define_purpose('shop_delivery', 'Deliver what was ordered', 'contract', categories => '{shop_contact,shop_purchases}', retention => '10 years');
SELECT personalize.define_purpose('shop_statistics', 'Count what is sold', 'legitimate_interest', categories => '{shop_purchases}', retention => '3 years');
SELECT personalize.grant_purpose(p, 'regress_shop_app') FROM unnest('{shop_advice,shop_newsletter,shop_delivery,shop_statistics}'::text[]) AS p;

SELECT personalize.protect('shop.employee', 'employee_id', kind => 'shop_employee', columns => '{"*":"shop_contact"}');
SELECT personalize.add_subject_path('shop.employee', '{manager_id}', 'access', 'shop_employee');
SELECT personalize.protect('shop.customer', 'customer_id', kind => 'shop_customer', columns => '{"signed_up":"none","*":"shop_contact"}');
SELECT personalize.add_subject_path('shop.customer', '{referred_by}', 'access', 'shop_customer');
SELECT personalize.add_subject_path('shop.customer', '{adviser_id}', 'access', 'shop_employee');
SELECT personalize.protect('shop.address', 'customer_id', kind => 'shop_customer', columns => '{"*":"shop_contact"}');
SELECT personalize.protect('shop.orders', 'customer_id', kind => 'shop_customer', columns => '{"order_id":"none","*":"shop_purchases"}');
SELECT personalize.protect('shop.order_line', via => 'order_id', columns => '{"line_no":"none","gift_note":"shop_words","*":"shop_purchases"}');
SELECT personalize.protect('shop.return_request', via => 'line_no', columns => '{"return_id":"none","*":"shop_words"}');
SELECT personalize.protect('shop.payment', via => 'order_id', columns => '{"holder":"shop_contact","*":"shop_purchases"}');
SELECT personalize.protect('shop.shipment', via => 'order_id', columns => '{"*":"shop_contact"}');
SELECT personalize.protect('shop.invoice', 'customer_id', kind => 'shop_customer', columns => '{"recipient":"shop_contact","*":"shop_purchases"}');
SELECT personalize.protect('shop.review', 'customer_id', kind => 'shop_customer', columns => '{"review_id":"none","product_id":"none","*":"shop_words"}', null_subject => 'visible');
SELECT personalize.protect('shop.review_answer', 'customer_id', kind => 'shop_customer', columns => '{"*":"shop_words"}', null_subject => 'visible');
SELECT personalize.protect('shop.profile_history', 'customer_id', kind => 'shop_customer', columns => '{"*":"shop_contact"}');
SELECT personalize.protect('shop.store_member', columns => '{"*":"shop_contact"}');
SELECT personalize.add_subject_path('shop.store_member', '{tenant,member}', kind => 'shop_member');
SELECT personalize.protect('shop.store_visit', via => 'tenant', columns => '{"*":"shop_purchases"}');

SELECT personalize.set_erasure('shop.invoice', 'retain', reason => 'tax law, 10 years', keep_for => '10 years');
SELECT personalize.set_erasure('shop.review', 'anonymize', '{"words": null}');
SELECT personalize.set_erasure('shop.review_answer', 'anonymize', '{"words": "(removed)"}');
SELECT personalize.set_source('shop.customer', 'email', 'provided');
SELECT personalize.set_source('shop.customer', 'profile', 'observed');
