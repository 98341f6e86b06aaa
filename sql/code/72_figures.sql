/*
 * Figures over many persons, in C because each reads whole tables: millions of rows take
 * a second or less (src/figures_*.c).  test/sql/measures_fast.sql has the same in SQL.
 */
CREATE OR REPLACE FUNCTION personalize.figures_shown_internal(metrics integer[], purposes integer[], since timestamptz, until timestamptz)
	RETURNS TABLE (metric_id integer, purpose_id integer, persons bigint, converted bigint, done double precision, shown bigint,
		var_done double precision, var_shown double precision, covar double precision)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'personalize_figures_shown';
COMMENT ON FUNCTION personalize.figures_shown_internal(integer[], integer[], timestamptz, timestamptz) IS
	'Of persons to whom something was shown for a purpose, by metric (given with its purpose): how many have outcomes since, and sums and variances of outcomes and exposures';
CREATE OR REPLACE FUNCTION personalize.figures_done_internal(metrics integer[], mean boolean, since timestamptz, until timestamptz)
	RETURNS TABLE (metric_id integer, persons bigint, events bigint, again bigint, mean double precision, variance double precision)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'personalize_figures_done';
COMMENT ON FUNCTION personalize.figures_done_internal(integer[], boolean, timestamptz, timestamptz) IS
	'Persons with outcomes, by metric: how many, with outcomes at two moments or more, mean and variance of their sums, or means';
CREATE OR REPLACE FUNCTION personalize.figures_lift_internal(experiment_id integer, metrics integer[], measured_for integer[], until timestamptz, mean boolean[])
	RETURNS TABLE (place integer, variant text, persons bigint, with_it bigint, with_value bigint, mean_value double precision, variance double precision)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 4 AS 'MODULE_PATHNAME', 'personalize_figures_lift';
COMMENT ON FUNCTION personalize.figures_lift_internal(integer, integer[], integer[], timestamptz, boolean[]) IS
	'Persons of an experiment by metric (its place) and variant (NULL: all but the holdout): how many, with outcomes of a metric since, and mean and variance of their sums, or means; measured_for: only who permitted this purpose then (0: all)';
CREATE OR REPLACE FUNCTION personalize.figures_rates_internal(step text, purpose_id integer)
	RETURNS TABLE (period timestamptz, purpose integer, notice text, answered bigint, opted_in bigint, began bigint, ended bigint, opted_out bigint)
	LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'personalize_figures_rates';
COMMENT ON FUNCTION personalize.figures_rates_internal(text, integer) IS
	'By period (UTC), purpose and version of the notice: persons who answered, and with yes; consents that came into force, ended, and were ended by the person';
CREATE OR REPLACE FUNCTION personalize.figures_sides_internal(metric_id integer, measured_for integer, purpose_id integer, since timestamptz, until timestamptz, ends timestamptz)
	RETURNS TABLE (said text, persons bigint, with_it bigint, mean double precision, variance double precision)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 3 AS 'MODULE_PATHNAME', 'personalize_figures_sides';
COMMENT ON FUNCTION personalize.figures_sides_internal(integer, integer, integer, timestamptz, timestamptz, timestamptz) IS
	'By what they had said of a purpose (yes, no, silent): persons, how many have outcomes of a metric, mean and variance of their means';
CREATE OR REPLACE FUNCTION personalize.figures_touched_internal(what text, keys integer[], purposes integer[], since timestamptz, until timestamptz)
	RETURNS TABLE (purpose_id integer, numbers bigint[])
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 4 AS 'MODULE_PATHNAME', 'personalize_figures_touched';
COMMENT ON FUNCTION personalize.figures_touched_internal(text, integer[], integer[], timestamptz, timestamptz) IS
	'Whose exposures (keys: purposes) or outcomes (keys: metrics) there are in a time, by the purpose of the key: what the record of use notes; up to a million a row';
