\ir check/begin.psql
\echo '14. Does it pay? An experiment, among those who agreed; a fifth of them is shown nothing, to compare with.'
\echo
\echo 'Half a year later the shop has 4,000 customers more. Of ten seven say yes, two say no, one says nothing.'
\set ECHO none
SET ROLE shop_app;
INSERT INTO customers SELECT i, 'Customer ' || i, 'customer' || i || '@example.org', 'France' FROM generate_series(1001, 5000) AS i;
CREATE TEMP TABLE answers AS
	SELECT i AS subject, 'recommendations' AS purpose, CASE WHEN i % 10 < 7 THEN 'given' ELSE 'refused' END AS action, 'shop-privacy-2026-01' AS notice
	FROM generate_series(1001, 5000) AS i WHERE i % 10 < 9;
SELECT personalize.record_consents('answers') AS recorded \g /dev/null
\set ECHO queries
SET ROLE privacy_officer;
\o /dev/null
SELECT personalize.define_experiment('which_list', 'recommendations', '{popular,also_bought}', holdout => 0.2);
\o
\echo 'The application offers a list to all its customers, and is told to whom it may show it:'
SET ROLE shop_app;
CREATE TEMP TABLE offers AS
	SELECT i AS subject, 'recommendations' AS purpose, 'list of the week' AS item, 'because of what you bought' AS explanation,
		'which_list' AS experiment, NULL::bigint AS exposure_id
	FROM generate_series(1001, 5000) AS i;
SELECT personalize.record_exposures('offers') AS shown;
\echo 'Enrolled is who agreed and nobody else. The variant is drawn by a digest with a secret salt: stable, and nobody can choose it.'
SET ROLE privacy_officer;
SELECT variant, persons, round(expected) AS expected, exposed, ok AS ratio_as_expected FROM personalize.experiment_health
	WHERE experiment = 'which_list' ORDER BY variant COLLATE "C";
\set ECHO none
SELECT sum(persons) = 2800 AND sum(exposed) FILTER (WHERE variant = 'holdout') = 0 AS holds FROM personalize.experiment_health WHERE experiment = 'which_list' \gset
\ir check/holds.psql
