/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  Distributions that intervals and tests of outcomes need.
 *
 * Sources:
 *	Quantile of the normal distribution: Wichura, Algorithm AS 241, Applied
 *	Statistics 37 (1988) 477-484, PPND16, about 16 digits.
 *	Incomplete beta function (Student's t): continued fraction 8.17.22 of the NIST
 *	Digital Library of Mathematical Functions (DLMF), evaluated as Lentz (1976) and
 *	Thompson and Barnett (1986) do.
 *	Student's t from 1e4 degrees of freedom on, where the fraction loses digits: Hill,
 *	Algorithm 395, Communications of the ACM 13 (1970) 617-619, by the normal tail.
 *	Incomplete gamma function (chi-squared): series DLMF 8.7.1 and continued fraction
 *	DLMF 8.9.2, in the form of Press et al., Numerical Recipes, 6.2.
 *	Logarithm of the beta function: Stirling's series DLMF 5.11.1, so that nothing
 *	cancels where an argument is large.
 *	Quantile of Student's t: Newton's method on the logarithm of the tail, within a
 *	bracket; from 1e8 degrees of freedom on the expansion 26.7.5 of Abramowitz and Stegun.
 *
 * Pure functions: no locks, no memory.  Arguments out of range give NaN.
 * test/extra/statistics.sh compares them with R and SciPy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "fmgr.h"
#include "utils/float.h"

#define LENTZ_TINY		1e-300	/* stands for a denominator of zero */
#define LENTZ_MAX		1000000 /* steps; the square root of the larger parameter is enough */
#define DF_NORMAL		1e4		/* degrees of freedom from which Hill's transformation is exact to 15 digits */
#define DF_EXPAND		1e8		/* degrees of freedom from which the expansion is exact to 16 digits */

/* Value of a polynomial, the highest coefficient first. */
static double
polynomial(const double *c, int n, double x)
{
	double		sum = c[0];
	int			i;

	for (i = 1; i < n; i++)
		sum = sum * x + c[i];
	return sum;
}

/*
 * Quantile of the normal distribution for a probability between 0 and 1 (AS 241).
 */
static double
norm_quantile(double p)
{
	static const double a[] = {2509.0809287301226727, 33430.575583588128105, 67265.770927008700853,
		45921.953931549871457, 13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608};
	static const double b[] = {5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
		5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0};
	static const double c[] = {7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
		3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734};
	static const double d[] = {1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
		0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0};
	static const double e[] = {2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
		0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772};
	static const double f[] = {2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
		0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0};
	double		q = p - 0.5;
	double		r,
				value;

	if (fabs(q) <= 0.425)
	{
		r = 0.180625 - q * q;
		return q * polynomial(a, 8, r) / polynomial(b, 8, r);
	}
	r = sqrt(-log(q < 0 ? p : 1 - p));
	if (r <= 5)
		value = polynomial(c, 8, r - 1.6) / polynomial(d, 8, r - 1.6);
	else
		value = polynomial(e, 8, r - 5) / polynomial(f, 8, r - 5);
	return q < 0 ? -value : value;
}

/* What Stirling's formula lacks of the logarithm of the gamma function, from 10 on. */
static double
stirling_rest(double x)
{
	static const double c[] = {-3617.0 / 122400, 1.0 / 156, -691.0 / 360360, 1.0 / 1188, -1.0 / 1680, 1.0 / 1260, -1.0 / 360, 1.0 / 12};

	return polynomial(c, 8, 1 / (x * x)) / x;
}

/*
 * Logarithm of the beta function of two positive numbers.
 */
static double
log_beta(double a, double b)
{
	double		p = Min(a, b);
	double		q = Max(a, b);

	if (q < 10)
		return lgamma(p) + lgamma(q) - lgamma(p + q);
	if (p < 10)
		return lgamma(p) + stirling_rest(q) - stirling_rest(p + q) + p - p * log(p + q) + (q - 0.5) * log1p(-p / (p + q));
	return 0.5 * log(2 * M_PI) - 0.5 * log(q) + stirling_rest(p) + stirling_rest(q) - stirling_rest(p + q) +
		(p - 0.5) * log(p / (p + q)) + q * log1p(-p / (p + q));
}

/* Keep a denominator away from zero. */
static double
away_from_zero(double x)
{
	return fabs(x) < LENTZ_TINY ? LENTZ_TINY : x;
}

/* The continued fraction of the incomplete beta function; fast for x below (a + 1) / (a + b + 2). */
static double
beta_fraction(double x, double a, double b)
{
	double		c = 1;
	double		d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
	double		h = d;
	int			m;

	for (m = 1; m <= LENTZ_MAX; m++)
	{
		double		even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double		odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double		step;

		d = 1 / away_from_zero(1 + even * d);
		c = away_from_zero(1 + even / c);
		h *= d * c;
		d = 1 / away_from_zero(1 + odd * d);
		c = away_from_zero(1 + odd / c);
		step = d * c;
		h *= step;
		if (fabs(step - 1) <= DBL_EPSILON)
			break;
	}
	return h;
}

/*
 * Regularized incomplete beta function of x with parameters a and b; y is 1 - x,
 * which whoever calls may know more exactly.
 */
static double
beta_regularized(double x, double y, double a, double b)
{
	double		front;

	if (x <= 0)
		return 0;
	if (y <= 0)
		return 1;
	front = a * (x > 0.5 ? log1p(-y) : log(x)) + b * (y > 0.5 ? log1p(-x) : log(y)) - log_beta(a, b);
	if (x < (a + 1) / (a + b + 2))
		return exp(front) * beta_fraction(x, a, b) / a;
	return 1 - exp(front) * beta_fraction(y, b, a) / b;
}

/* The tail of Student's t above t, which is not negative. */
static double
t_tail(double t, double df)
{
	double		square = t * t;

	if (df >= DF_NORMAL)
	{
		double		a = df - 0.5;
		double		b = 48 * a * a;
		double		y = a * log1p(square / df);
		double		z = (((((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b) + y + 3) / b + 1) * sqrt(y);

		return 0.5 * erfc(z / sqrt(2));
	}
	if (isinf(square))
		return 0.5 * exp(-log_beta(df / 2, 0.5) + df / 2 * log(df) - df * log(t)) / (df / 2);
	return 0.5 * beta_regularized(df / (df + square), square / (df + square), df / 2, 0.5);
}

/*
 * The t above which Student's t is with this probability, at most a half.
 */
static double
t_upper(double q, double df)
{
	double		z = -norm_quantile(q);
	double		low = 0;
	double		high;
	double		t;
	double		log_front = -log_beta(df / 2, 0.5) - 0.5 * log(df);
	int			i;

	if (q >= 0.5)
		return 0;
	if (df >= DF_EXPAND)
		return z + (z * z * z + z) / (4 * df);
	for (high = Max(1, z); t_tail(high, df) > q && high < DBL_MAX / 4; high *= 2)
		low = high;
	t = Max(low, Min(high, z + (z * z * z + z) / (4 * df)));
	for (i = 0; i < 200; i++)
	{
		double		tail = t_tail(t, df);
		double		density = exp(log_front - (df + 1) / 2 * log1p(t * t / df));
		double		next;

		if (tail > q)
			low = t;
		else
			high = t;
		next = t + (log(tail) - log(q)) * tail / density;
		/* also where it is no number */
		if (!(next > low && next < high))
			next = low + (high - low) / 2;
		if (fabs(next - t) <= 2 * DBL_EPSILON * t)
			return next;
		t = next;
	}
	return t;
}

/*
 * The tail of the chi-squared distribution above x: the regularized upper
 * incomplete gamma function.
 */
static double
chi_squared_tail(double x, double df)
{
	double		a = df / 2;
	double		half = x / 2;
	double		front;
	int			i;

	if (half <= 0)
		return 1;
	front = exp(a * log(half) - half - lgamma(a));
	if (half < a + 1)
	{
		double		term = 1 / a;
		double		sum = term;

		for (i = 1; i <= LENTZ_MAX && fabs(term) > DBL_EPSILON * fabs(sum) / 4; i++)
		{
			term *= half / (a + i);
			sum += term;
		}
		return 1 - front * sum;
	}
	else
	{
		double		b = half + 1 - a;
		double		c = 1 / LENTZ_TINY;
		double		d = 1 / b;
		double		h = d;

		for (i = 1; i <= LENTZ_MAX; i++)
		{
			double		an = -i * (i - a);
			double		step;

			b += 2;
			d = 1 / away_from_zero(an * d + b);
			c = away_from_zero(b + an / c);
			step = d * c;
			h *= step;
			if (fabs(step - 1) <= DBL_EPSILON)
				break;
		}
		return front * h;
	}
}

/*
 * norm_quantile_internal(p): quantile of the normal distribution.
 */
PG_FUNCTION_INFO_V1(personalize_norm_quantile);
Datum
personalize_norm_quantile(PG_FUNCTION_ARGS)
{
	double		p = PG_GETARG_FLOAT8(0);

	if (!(p > 0 && p < 1))
		PG_RETURN_FLOAT8(get_float8_nan());
	PG_RETURN_FLOAT8(norm_quantile(p));
}

/*
 * t_quantile_internal(p, df): quantile of Student's t.
 */
PG_FUNCTION_INFO_V1(personalize_t_quantile);
Datum
personalize_t_quantile(PG_FUNCTION_ARGS)
{
	double		p = PG_GETARG_FLOAT8(0);
	double		df = PG_GETARG_FLOAT8(1);

	if (!(p > 0 && p < 1 && df > 0 && df <= DBL_MAX))
		PG_RETURN_FLOAT8(get_float8_nan());
	PG_RETURN_FLOAT8(p < 0.5 ? -t_upper(p, df) : t_upper(1 - p, df));
}

/*
 * t_tail_internal(t, df): the probability that Student's t is above t.
 */
PG_FUNCTION_INFO_V1(personalize_t_tail);
Datum
personalize_t_tail(PG_FUNCTION_ARGS)
{
	double		t = PG_GETARG_FLOAT8(0);
	double		df = PG_GETARG_FLOAT8(1);

	if (isnan(t) || !(df > 0 && df <= DBL_MAX))
		PG_RETURN_FLOAT8(get_float8_nan());
	PG_RETURN_FLOAT8(t < 0 ? 1 - t_tail(-t, df) : t_tail(t, df));
}

/*
 * chi_squared_tail_internal(x, df): the probability that chi-squared is above x.
 */
PG_FUNCTION_INFO_V1(personalize_chi_squared_tail);
Datum
personalize_chi_squared_tail(PG_FUNCTION_ARGS)
{
	double		x = PG_GETARG_FLOAT8(0);
	double		df = PG_GETARG_FLOAT8(1);

	if (isnan(x) || !(df > 0 && df <= DBL_MAX))
		PG_RETURN_FLOAT8(get_float8_nan());
	PG_RETURN_FLOAT8(chi_squared_tail(x, df));
}
