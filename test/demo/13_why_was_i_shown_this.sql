\ir check/begin.psql
\echo '13. "Why was I shown this?" is one query, and part of every export.'
\echo
SET ROLE shop_app;
\x on
SELECT item, explanation, purpose, legal_basis, array_to_string(categories, ', ') AS categories, because, how_to_object
	FROM personalize.why(5) ORDER BY item COLLATE "C" LIMIT 1;
\x off
\set ECHO none
SELECT count(*) = 2 AND bool_and(because LIKE 'Yes: the person gave consent%') AS holds FROM personalize.why(5) \gset
\ir check/holds.psql
