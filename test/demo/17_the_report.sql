\ir check/begin.psql
\echo '17. The same for people who do not write SQL: a page for management, the works council, whoever asks.'
\echo
\set ECHO none
SELECT personalize.audit_sync() \g /dev/null
SELECT to_regprocedure('personalize.report_html(timestamptz, timestamptz)') IS NOT NULL AS there \gset
\if :there
SET ROLE privacy_officer;
SELECT count(*) > 0 AS keeps_parity FROM pg_proc WHERE pronamespace = 'personalize'::regnamespace AND proname = 'record_parity' \gset
\if :keeps_parity
\echo 'What it says of fairness is asked for first, since that reads personal data; the page itself reads none.'
\set ECHO queries
SELECT personalize.record_parity('discounts of those who said no', 'recommendations', 'discount') AS kept;
\set ECHO none
\endif
\echo 'SELECT personalize.report_html(now() - interval ''1 day'', now());'
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
