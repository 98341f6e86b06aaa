\ir check/begin.psql
\echo '7. Why is a person in or out?'
\echo
SET ROLE shop_app;
SELECT c AS customer, (personalize.decide(c, 'recommendations')).* FROM unnest('{1,2,40}'::bigint[]) AS c;
SELECT c AS customer, (personalize.decide(c, 'order_fulfilment')).* FROM unnest('{40}'::bigint[]) AS c;
\set ECHO none
SELECT personalize.permitted(1, 'recommendations') AND NOT personalize.permitted(2, 'recommendations')
	AND NOT personalize.permitted(40, 'recommendations') AND personalize.permitted(40, 'order_fulfilment') AS holds \gset
\ir check/holds.psql
