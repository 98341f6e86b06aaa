#!/bin/bash
# Distributions, intervals and tests against an independent implementation: R
# (Debian's r-base-core), SciPy (python3-scipy), or both, to 1e-9 relative.
# Skipped where there is neither.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
have_r='' have_scipy=''
command -v Rscript >/dev/null && have_r=1
for python in /usr/bin/python3 python3; do
	[ -z "$have_scipy" ] && "$python" -c 'import scipy.stats' 2>/dev/null && have_scipy=$python
done
if [ -z "$have_r$have_scipy" ]; then
	echo 'neither R (r-base-core) nor SciPy (python3-scipy) is here to compare with'
	exit 77
fi
pz_cluster_start statistics
cases=$PZ_WORK/statistics.tsv
: >"$cases"

# Lines of: what, arguments, results; samples are lists with commas.
pz_client psql -X -q -A -t -F $'\t' -v ON_ERROR_STOP=1 <<'SQL' >"$cases"
SET extra_float_digits = 3;
SET client_min_messages = warning;
CREATE EXTENSION personalize;
SET search_path = personalize, public;
SELECT setseed(0.25) IS NULL \g /dev/null
SELECT 'norm', p, norm_quantile_internal(p) FROM unnest('{1e-300,1e-100,1e-20,1e-9,1e-5,0.001,0.025,0.05,0.074,0.076,0.1,0.25,0.3,0.45,0.4999999,0.55,0.7,0.9,0.924,0.926,0.95,0.975,0.99,0.995,0.9999,0.999999}'::float8[]) AS p;
SELECT 't', concat_ws(' ', p, df), t_quantile_internal(p, df)
FROM unnest('{1e-12,1e-6,0.001,0.005,0.025,0.05,0.1,0.25,0.4,0.45,0.499,0.6,0.75,0.9,0.975,0.995,0.9999}'::float8[]) AS p,
	unnest('{0.5,1,1.5,2,2.7,3,5,8.3,10,19,20,21,30.5,100,1234.5,1e4,123456.7,1e6,1e7,9.9e7,1.1e8,1e9}'::float8[]) AS df;
SELECT 'tail', concat_ws(' ', t, df), t_tail_internal(t, df)
FROM unnest('{-5,-1,-0.1,0,1e-8,0.01,0.5,1,1.5,2,3,5,10,40}'::float8[]) AS t, unnest('{0.5,1,2,3.3,10,19.9,20.1,100,1e4,1e6,1e7}'::float8[]) AS df;
SELECT 'chi', concat_ws(' ', x, df), chi_squared_tail_internal(x, df)
FROM unnest('{0,1e-10,0.01,0.5,1,2,3.84,5,10,20,50,100,300}'::float8[]) AS x, unnest('{1,2,3,4,5,9,20,50,99}'::float8[]) AS df;
SELECT 'wilson', concat_ws(' ', x, n, c), concat_ws(' ', w.rate, w.low, w.high)
FROM unnest('{0,1,3,5,49,50,997,1000}'::float8[]) AS x, unnest('{1,5,50,1000,1e6,1e8}'::float8[]) AS n, unnest('{0.5,0.8,0.95,0.99,0.999}'::float8[]) AS c, wilson_internal(x, n, c) AS w WHERE x <= n;
SELECT 'proportions', concat_ws(' ', x1, n1, x2, n2, c), concat_ws(' ', p.difference, p.low, p.high, coalesce(p.ratio::text, 'NaN'), coalesce(p.ratio_low::text, 'NaN'), coalesce(p.ratio_high::text, 'NaN'))
FROM (SELECT floor(random() * (n1 + 1)) AS x1, n1, floor(random() * (n2 + 1)) AS x2, n2 FROM unnest('{1,7,56,1000,1e6}'::float8[]) AS n1, unnest('{1,10,48,2000,1e7}'::float8[]) AS n2
	/* the examples of Newcombe 1998 */
	UNION ALL VALUES (56, 70, 48, 80), (9, 10, 3, 10), (6, 7, 2, 7), (5, 56, 0, 29), (0, 10, 0, 20), (0, 10, 0, 10), (10, 10, 0, 20), (10, 10, 0, 10)) AS e (x1, n1, x2, n2), unnest('{0.8,0.95,0.99}'::float8[]) AS c,
	proportions_internal(x1, n1, x2, n2, c) AS p;
CREATE TABLE sample AS SELECT s.no, 1 + i % 2 AS side, round((exp(3 * random()) * s.no)::numeric, 6)::float8 AS v
	FROM generate_series(1, 12) AS s (no), generate_series(1, s.no * s.no * 4) AS i;
CREATE VIEW summary AS SELECT no, side, string_agg(v::text, ',') AS vs, avg(v) AS mean, var_samp(v) AS variance, count(*)::float8 AS n FROM sample GROUP BY 1, 2;
SELECT 'means', concat_ws(' ', c, a.vs, b.vs), concat_ws(' ', m.difference, m.low, m.high, m.df, m.ratio, m.ratio_low, m.ratio_high)
FROM summary AS a JOIN summary AS b USING (no), unnest('{0.9,0.95}'::float8[]) AS c, means_internal(a.mean, a.variance, a.n, b.mean, b.variance, b.n, c) AS m WHERE a.side = 1 AND b.side = 2;
SELECT 'mean', concat_ws(' ', c, a.vs), concat_ws(' ', m.low, m.high)
FROM summary AS a, unnest('{0.9,0.95}'::float8[]) AS c, mean_internal(a.mean, a.variance, a.n, c) AS m;

/* and all of it together: an experiment, outcomes, what the views say */
DO $$
BEGIN
	PERFORM define_kind('p', 'bigint');
	PERFORM define_purpose('ads', 'for tests');
	PERFORM define_experiment('e', 'ads', holdout => 0.25, weights => '{1,2}');
	PERFORM define_metric('bought', 'ads', 'purchase');
	PERFORM define_metric('clicked', 'ads', 'click');
	PERFORM grant_consent(i, 'ads', kind => 'p') FROM generate_series(1, 600) AS i;
	PERFORM record_exposure(i, 'ads', experiment => 'e', kind => 'p') FROM generate_series(1, 600) AS i;
	PERFORM record_exposure(i, 'ads', experiment => 'e', kind => 'p') FROM generate_series(1, 600) AS i, generate_series(1, i % 4);
	PERFORM record_outcome(i, 'bought', (exp(4 * random()))::numeric(8, 2), clock_timestamp(), kind => 'p') FROM generate_series(1, 600) AS i, generate_series(1, floor(random() * 3)::integer);
	PERFORM record_outcome(i, 'clicked', at => clock_timestamp(), kind => 'p') FROM generate_series(1, 600) AS i, generate_series(1, floor(random() * 2.4)::integer);
END
$$;
CREATE TABLE person AS SELECT a.variant, a.subject_no, (SELECT count(*) FROM outcome AS o JOIN metric AS m USING (metric_id) WHERE o.subject_no = a.subject_no AND m.name = 'bought') AS n,
	(SELECT coalesce(sum(o.value), 0) FROM outcome AS o JOIN metric AS m USING (metric_id) WHERE o.subject_no = a.subject_no AND m.name = 'bought') AS v,
	(SELECT count(*) FROM outcome AS o JOIN metric AS m USING (metric_id) WHERE o.subject_no = a.subject_no AND m.name = 'clicked') AS clicks,
	(SELECT count(*) FROM exposure AS o WHERE o.subject_no = a.subject_no) AS shown FROM assignment AS a;
CREATE VIEW arm AS SELECT variant, count(*) AS n, count(*) FILTER (WHERE n > 0) AS x, string_agg(v::text, ',' ORDER BY subject_no) AS vs FROM person GROUP BY 1
	UNION ALL SELECT 'personalized', count(*), count(*) FILTER (WHERE n > 0), string_agg(v::text, ',' ORDER BY subject_no) FROM person WHERE variant <> 'holdout';
SELECT 'proportions', concat_ws(' ', a.x, a.n, b.x, b.n, 0.95), concat_ws(' ', l.difference, l.low, l.high, l.ratio, l.ratio_low, l.ratio_high)
FROM lift('e', 'bought') AS l JOIN arm AS a ON a.variant = l.variant JOIN arm AS b ON b.variant = 'holdout' WHERE l.measure = 'rate';
SELECT 'lift', concat_ws(' ', 0.9, a.vs, b.vs), concat_ws(' ', l.difference, l.low, l.high)
FROM lift('e', 'bought', 0.9, 'control') AS l JOIN arm AS a ON a.variant = l.variant JOIN arm AS b ON b.variant = 'control' WHERE l.measure = 'mean';
SELECT 'clicks', concat_ws(' ', 0.95, string_agg(clicks::text, ','), string_agg(shown::text, ',')), (SELECT concat_ws(' ', value, low, high) FROM click_through) FROM person WHERE variant <> 'holdout';
SELECT 'mean', concat_ws(' ', 0.95, string_agg(v::text, ',')), (SELECT concat_ws(' ', low, high) FROM lifetime_value) FROM person WHERE n > 0;
SELECT 'wilson', concat_ws(' ', count(*) FILTER (WHERE n > 1), count(*), 0.95), (SELECT concat_ws(' ', value, low, high) FROM repeat_purchase) FROM person WHERE n > 0;
SELECT 'wilson', concat_ws(' ', count(*) FILTER (WHERE n > 0), count(*), 0.95), (SELECT concat_ws(' ', value, low, high) FROM conversion_rate) FROM person WHERE variant <> 'holdout';
SELECT 'ratio', concat_ws(' ', string_agg(persons::text, ',' ORDER BY variant), '0.25,0.25,0.5'), concat_ws(' ', min(chi_squared), min(p_value))
FROM (SELECT variant, persons, chi_squared, p_value FROM experiment_health) AS h (variant, persons, chi_squared, p_value);
SQL

cat >"$PZ_WORK/compare.R" <<'R'
worst <- 0; count <- 0
list_of <- function(s) as.numeric(strsplit(s, ",")[[1]])
score <- function(x, n, c) { i <- suppressWarnings(prop.test(x, n, conf.level = c, correct = FALSE))$conf.int; c(if (x == 0) 0 else i[1], if (x == n) 1 else i[2]) }
for (line in readLines(commandArgs(TRUE)[1])) {
	f <- strsplit(line, "\t")[[1]]; a <- strsplit(f[2], " ")[[1]]; got <- as.numeric(strsplit(f[3], " ")[[1]]); n <- suppressWarnings(as.numeric(a))
	want <- switch(f[1],
		norm = qnorm(n[1]), t = qt(n[1], n[2]), tail = pt(n[1], n[2], lower.tail = FALSE), chi = pchisq(n[1], n[2], lower.tail = FALSE),
		wilson = c(n[1] / n[2], score(n[1], n[2], n[3])),
		proportions = {
			p <- n[1] / n[2]; q <- n[3] / n[4]; i <- score(n[1], n[2], n[5]); j <- score(n[3], n[4], n[5])
			s <- if (n[1] > 0 && n[3] > 0) qnorm((1 + n[5]) / 2) * sqrt(1 / n[1] - 1 / n[2] + 1 / n[3] - 1 / n[4]) else NaN
			c(p - q, p - q - sqrt((p - i[1])^2 + (j[2] - q)^2), p - q + sqrt((i[2] - p)^2 + (q - j[1])^2), if (q > 0) p / q else NaN, p / q * exp(-s), p / q * exp(s)) },
		means = , lift = {
			x <- list_of(a[2]); y <- list_of(a[3]); t <- t.test(x, y, conf.level = n[1])
			s <- qt((1 + n[1]) / 2, t$parameter) * sqrt(var(x) / length(x) / mean(x)^2 + var(y) / length(y) / mean(y)^2)
			c(mean(x) - mean(y), t$conf.int, t$parameter, mean(x) / mean(y), mean(x) / mean(y) * exp(-s), mean(x) / mean(y) * exp(s))[seq_along(got)] },
		mean = t.test(list_of(a[2]), conf.level = n[1])$conf.int,
		clicks = {
			x <- list_of(a[2]); y <- list_of(a[3]); r <- sum(x) / sum(y)
			s <- qnorm((1 + n[1]) / 2) * sd(x - r * y) / sqrt(length(x)) / mean(y)
			c(r, r - s, r + s) },
		ratio = { t <- chisq.test(list_of(a[1]), p = list_of(a[2])); c(t$statistic, t$p.value) })
	if (length(want) != length(got)) { cat("not ok - ", substr(line, 1, 200), "\n"); quit(status = 1) }
	for (i in seq_along(got)) {
		if (is.nan(want[i]) && is.nan(got[i])) next
		error <- abs(got[i] - want[i]) / max(abs(want[i]), 1e-300)
		# a difference of rates near zero has lost digits in both
		if (f[1] %in% c("proportions", "means", "lift", "wilson", "ratio")) error <- min(error, abs(got[i] - want[i]))
		count <- count + 1
		if (!(error < 1e-9)) { cat("not ok - ", substr(line, 1, 200), " expected ", format(want[i], digits = 17), "\n"); quit(status = 1) }
		worst <- max(worst, error)
	}
}
cat("R ", as.character(getRversion()), ": ", count, " values, worst error ", format(worst, digits = 2), "\n", sep = "")
R
cat >"$PZ_WORK/compare.py" <<'PYTHON'
import math, statistics, sys
import scipy
from scipy import stats

def t_quantile(p, df):
    # that of SciPy 1.10 is good to 8 digits only; its tail is better
    t = stats.t.ppf(min(p, 1 - p), df)
    for _ in range(4):
        t -= (stats.t.cdf(t, df) - min(p, 1 - p)) / stats.t.pdf(t, df)
    return t if p < 0.5 else -t

def t_tail(t, df):
    # that of SciPy 1.17 is off by 2e-9 near the middle, where the tail is a straight line
    return 0.5 - t * stats.t.pdf(0, df) if abs(t) < 1e-6 else stats.t.sf(t, df)

def score(x, n, c):
    i = stats.binomtest(x, n).proportion_ci(c, method='wilson')
    return [i.low if x else 0.0, i.high if x < n else 1.0]

def mean(x):
    return math.fsum(x) / len(x)

def welch(x, y, c):
    a, b = statistics.variance(x) / len(x), statistics.variance(y) / len(y)
    df = (a + b) ** 2 / (a ** 2 / (len(x) - 1) + b ** 2 / (len(y) - 1))
    t = t_quantile((1 + c) / 2, df)
    d, s = mean(x) - mean(y), t * math.sqrt(a + b)
    r, u = mean(x) / mean(y), t * math.sqrt(a / mean(x) ** 2 + b / mean(y) ** 2)
    return [d, d - s, d + s, df, r, r * math.exp(-u), r * math.exp(u)]

def proportions(x1, n1, x2, n2, c):
    p, q, i, j = x1 / n1, x2 / n2, score(int(x1), int(n1), c), score(int(x2), int(n2), c)
    r = [p / q if q else math.nan, math.nan, math.nan]
    if x1 and x2:
        s = stats.norm.ppf((1 + c) / 2) * math.sqrt(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2)
        r[1:] = [r[0] * math.exp(-s), r[0] * math.exp(s)]
    return [p - q, p - q - math.hypot(p - i[0], j[1] - q), p - q + math.hypot(i[1] - p, q - j[0])] + r

def clicks(c, x, y):
    r = sum(x) / sum(y)
    s = stats.norm.ppf((1 + c) / 2) * statistics.stdev([a - r * b for a, b in zip(x, y)]) / math.sqrt(len(x)) / mean(y)
    return [r, r - s, r + s]

def one_mean(c, x):
    s = t_quantile((1 + c) / 2, len(x) - 1) * math.sqrt(statistics.variance(x) / len(x))
    return [mean(x) - s, mean(x) + s]

def ratio(counts, shares):
    t = stats.chisquare(counts, [sum(counts) * s for s in shares])
    return [t.statistic, t.pvalue]

known = {
    'norm': lambda p: [stats.norm.ppf(p)], 't': lambda p, df: [t_quantile(p, df)], 'tail': lambda t, df: [t_tail(t, df)],
    'chi': lambda x, df: [stats.chi2.sf(x, df)], 'wilson': lambda x, n, c: [x / n] + score(int(x), int(n), c),
    'proportions': proportions, 'means': lambda c, x, y: welch(x, y, c), 'lift': lambda c, x, y: welch(x, y, c)[:3],
    'mean': one_mean, 'clicks': clicks, 'ratio': ratio}
worst = count = 0
for line in open(sys.argv[1]):
    what, arguments, results = line.rstrip('\n').split('\t')
    args = [[float(v) for v in a.split(',')] if ',' in a else float(a) for a in arguments.split(' ')]
    got = [float(v) for v in results.split(' ')]
    want = known[what](*args)
    assert len(got) == len(want), line[:200]
    for g, w in zip(got, want):
        if math.isnan(g) and math.isnan(w):
            continue
        error = abs(g - w) / max(abs(w), 1e-300)
        if what in ('proportions', 'means', 'lift', 'wilson', 'ratio'):
            error = min(error, abs(g - w))
        count += 1
        if not error < 1e-9:
            sys.exit('not ok - %s expected %r' % (line[:200], w))
        worst = max(worst, error)
print('SciPy %s: %d values, worst error %.2g' % (scipy.__version__, count, worst))
PYTHON
[ "$(wc -l <"$cases")" -gt 800 ]
said=''
if [ -n "$have_r" ]; then
	said=$(pz_as_user Rscript --vanilla "$PZ_WORK/compare.R" "$cases") || { echo "$said"; exit 1; }
fi
if [ -n "$have_scipy" ]; then
	said="$said${said:+; }$(pz_as_user "$have_scipy" -W ignore "$PZ_WORK/compare.py" "$cases")" || { echo "$said"; exit 1; }
fi
echo "$said"
