/*
 * Intervals and tests.  Distributions are in src/statistics.c, with their sources.
 *
 * Wilson's score interval of a proportion: Wilson, JASA 22 (1927) 209-212.
 * Difference of proportions: hybrid score interval, method 10 of Newcombe,
 * Statistics in Medicine 17 (1998) 873-890.
 * Ratio of proportions: Katz et al., Biometrics 34 (1978) 469-474 (on the logarithm).
 * Difference of means: Welch, Biometrika 34 (1947) 28-35, degrees of freedom of
 * Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
 * Ratio of means: delta method on the logarithm, Friedrich, Adhikari and Beyene,
 * Journal of Clinical Epidemiology 61 (2008) 857-866, with the same degrees of freedom.
 * Ratio of two sums over the same persons: delta method, Deng, Knoblich and Lu,
 * KDD 2018, 233-242.
 *
 * A planner may compute before it filters, so nothing here divides by what can be zero.
 */
CREATE OR REPLACE FUNCTION personalize.norm_quantile_internal(p double precision) RETURNS double precision
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_norm_quantile';
COMMENT ON FUNCTION personalize.norm_quantile_internal(double precision) IS 'Quantile of the normal distribution (Wichura 1988, AS 241)';
CREATE OR REPLACE FUNCTION personalize.t_quantile_internal(p double precision, df double precision) RETURNS double precision
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_t_quantile';
COMMENT ON FUNCTION personalize.t_quantile_internal(double precision, double precision) IS 'Quantile of Student''s t distribution';
CREATE OR REPLACE FUNCTION personalize.t_tail_internal(t double precision, df double precision) RETURNS double precision
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_t_tail';
COMMENT ON FUNCTION personalize.t_tail_internal(double precision, double precision) IS 'Probability that Student''s t is greater than t';
CREATE OR REPLACE FUNCTION personalize.chi_squared_tail_internal(x double precision, df double precision) RETURNS double precision
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_chi_squared_tail';
COMMENT ON FUNCTION personalize.chi_squared_tail_internal(double precision, double precision) IS 'Probability that chi-squared is greater than x';

CREATE OR REPLACE FUNCTION personalize.wilson_internal(x double precision, n double precision, confidence double precision,
	OUT rate double precision, OUT low double precision, OUT high double precision)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x / nullif(n, 0), CASE WHEN x = 0 THEN 0 ELSE (q.middle - q.half) / q.below END, CASE WHEN x = n THEN 1 ELSE (q.middle + q.half) / q.below END
	FROM (SELECT z, 2 * x + z * z AS middle, z * sqrt(z * z + 4 * x * (1 - x / nullif(n, 0))) AS half, 2 * (n + z * z) AS below
		FROM (SELECT - personalize.norm_quantile_internal((1 - confidence) / 2)) AS s (z)) AS q
	WHERE n > 0
$$;
COMMENT ON FUNCTION personalize.wilson_internal(double precision, double precision, double precision) IS
	'A proportion with its score interval (Wilson 1927)';

CREATE OR REPLACE FUNCTION personalize.proportions_internal(x1 double precision, n1 double precision, x2 double precision, n2 double precision,
	confidence double precision, OUT difference double precision, OUT low double precision, OUT high double precision,
	OUT ratio double precision, OUT ratio_low double precision, OUT ratio_high double precision)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.rate - b.rate,
		a.rate - b.rate - sqrt(power(a.rate - a.low, 2) + power(b.high - b.rate, 2)),
		a.rate - b.rate + sqrt(power(a.high - a.rate, 2) + power(b.rate - b.low, 2)),
		a.rate / nullif(b.rate, 0), r.ratio * exp(- r.reach), r.ratio * exp(r.reach)
	FROM personalize.wilson_internal(x1, n1, confidence) AS a, personalize.wilson_internal(x2, n2, confidence) AS b
		LEFT JOIN LATERAL (SELECT a.rate / nullif(b.rate, 0) AS ratio,
				- personalize.norm_quantile_internal((1 - confidence) / 2) * sqrt(1 / nullif(x1, 0) - 1 / nullif(n1, 0) + 1 / nullif(x2, 0) - 1 / nullif(n2, 0)) AS reach
			WHERE x1 > 0 AND x2 > 0) AS r ON true
$$;
COMMENT ON FUNCTION personalize.proportions_internal(double precision, double precision, double precision, double precision, double precision) IS
	'Difference of two proportions (Newcombe 1998, method 10) and their ratio (Katz 1978), with intervals';

CREATE OR REPLACE FUNCTION personalize.means_internal(mean1 double precision, variance1 double precision, n1 double precision,
	mean2 double precision, variance2 double precision, n2 double precision, confidence double precision,
	OUT difference double precision, OUT low double precision, OUT high double precision, OUT df double precision,
	OUT ratio double precision, OUT ratio_low double precision, OUT ratio_high double precision)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* where a mean is next to nothing, its ratio can be anything: exp() of that would be out of range */
	SELECT mean1 - mean2, mean1 - mean2 - coalesce(q.t, 0) * sqrt(q.s1 + q.s2), mean1 - mean2 + coalesce(q.t, 0) * sqrt(q.s1 + q.s2), q.df,
		mean1 / nullif(mean2, 0), CASE WHEN r.reach < 300 THEN r.ratio * exp(- r.reach) ELSE r.ratio * 0 END, CASE WHEN r.reach < 300 THEN r.ratio * exp(r.reach) ELSE r.ratio * 'Infinity' END
	FROM (SELECT p.*, personalize.t_quantile_internal((1 + confidence) / 2, p.df) AS t
		FROM (SELECT s.*, CASE WHEN s1 + s2 > 0 THEN power(s1 + s2, 2) / nullif(power(s1, 2) / nullif(n1 - 1, 0) + power(s2, 2) / nullif(n2 - 1, 0), 0) END AS df
			FROM (SELECT variance1 / nullif(n1, 0) AS s1, variance2 / nullif(n2, 0) AS s2) AS s) AS p) AS q
		LEFT JOIN LATERAL (SELECT mean1 / nullif(mean2, 0) AS ratio, coalesce(q.t, 0) * sqrt(q.s1 / nullif(power(mean1, 2), 0) + q.s2 / nullif(power(mean2, 2), 0)) AS reach
			WHERE mean1 > 0 AND mean2 > 0) AS r ON true
	WHERE n1 > 1 AND n2 > 1
$$;
COMMENT ON FUNCTION personalize.means_internal(double precision, double precision, double precision, double precision, double precision, double precision, double precision) IS
	'Difference of two means (Welch 1947) and their ratio (delta method), with intervals; variances are those of samples';

CREATE OR REPLACE FUNCTION personalize.mean_internal(mean double precision, variance double precision, n double precision, confidence double precision,
	OUT low double precision, OUT high double precision)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT mean - q.reach, mean + q.reach
	FROM (SELECT personalize.t_quantile_internal((1 + confidence) / 2, n - 1) * sqrt(variance / nullif(n, 0)) AS reach) AS q WHERE n > 1
$$;
COMMENT ON FUNCTION personalize.mean_internal(double precision, double precision, double precision, double precision) IS
	'The interval of a mean (Student''s t)';

CREATE OR REPLACE FUNCTION personalize.check_confidence_internal(confidence double precision)
RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF confidence IS NULL OR NOT (confidence >= 0.5 AND confidence < 1) THEN
		RAISE EXCEPTION 'confidence must be at least 0.5 and below 1' USING ERRCODE = 'invalid_parameter_value', HINT = 'For example 0.95.';
	END IF;
	RETURN confidence;
END
$$;
COMMENT ON FUNCTION personalize.check_confidence_internal(double precision) IS 'Refuses what is no level of confidence';

CREATE OR REPLACE FUNCTION personalize.least_group_internal(k integer)
RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* whoever asks may want larger groups, never smaller ones */
	SELECT greatest(k, current_setting('personalize.least_group')::integer)::bigint
$$;
COMMENT ON FUNCTION personalize.least_group_internal(integer) IS 'How many persons a group must have to be shown: personalize.least_group, or more';
