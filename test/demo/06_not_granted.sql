\ir check/begin.psql
\echo '6. A purpose that the role was not granted is refused, whoever agreed to it.'
\echo
SET ROLE shop_app;
SELECT personalize.grant_consent(1, 'email_marketing') AS event;
BEGIN;
SET LOCAL personalize.purpose = 'email_marketing';
\set ON_ERROR_STOP off
SELECT email FROM customers;
\set ON_ERROR_STOP on
\ir check/refused.psql
\echo
\echo 'A purpose ends with its transaction; it cannot leak to the next user of a pooled connection:'
\set ON_ERROR_STOP off
SET personalize.purpose = 'recommendations';
\set ON_ERROR_STOP on
\ir check/refused.psql
