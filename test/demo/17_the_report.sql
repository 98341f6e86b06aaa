\ir check/begin.psql
\echo '17. The same for people who do not write SQL: a page for management, the works council, whoever asks.'
\echo
\set ECHO none
SELECT personalize.audit_sync() \g /dev/null
SELECT to_regprocedure('personalize.report_html(timestamptz, timestamptz)') IS NOT NULL AS there \gset
\if :there
\echo 'SELECT personalize.report_html(now() - interval ''1 day'', now());'
SET ROLE privacy_officer;
\pset format unaligned
\pset tuples_only on
SELECT personalize.report_html(now() - interval '1 day', now()) AS page \gset
SELECT :'page' LIKE '<!DOCTYPE html>%' AS holds \gset
\ir check/holds.psql
\set ECHO none
\o report.html
SELECT :'page';
\o
\else
\echo 'This version has no report yet.'
\endif
