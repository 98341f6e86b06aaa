\ir check/begin.psql
\echo '16. Is everything in place? For a DBA, and for monitoring.'
\echo
SELECT check_name, ok FROM personalize.status();
\set ECHO none
SELECT bool_and(ok) AS holds FROM personalize.status() \gset
\ir check/holds.psql
