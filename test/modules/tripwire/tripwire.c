/*-------------------------------------------------------------------------
 *
 * tripwire.c
 *	  A type for tests: text that must not be looked at.
 *
 * A value that begins with HIDDEN can be stored, but whatever evaluates it
 * (output, comparison, hashing, a cast, LIKE) raises an error of SQLSTATE
 * TW001.  None of the functions is leakproof, so the planner may not let any
 * of them see a row before a security qual has.
 *
 * HIDDEN[xy] is hidden only while the setting tripwire.watch is empty or holds
 * one of the letters in brackets: so one table can hide from one purpose what
 * it shows to another.  tripwire.armed = off (superuser) is for loading,
 * building indexes and ANALYZE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

#define HIDDEN			"HIDDEN"
#define HIDDEN_LEN		((int) sizeof(HIDDEN) - 1)

static bool tripwire_armed = true;
static char *tripwire_watch = NULL;

void		_PG_init(void);

/* Defines the settings.  Runs when the library is loaded. */
void
_PG_init(void)
{
	DefineCustomBoolVariable("tripwire.armed",
							 "Whether evaluating a hidden value is an error.", NULL,
							 &tripwire_armed, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("tripwire.watch",
							   "Letters for which values are hidden; empty: all of them.", NULL,
							   &tripwire_watch, "", PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("tripwire");
}

/* Is this value hidden now? */
static bool
is_hidden(const char *bytes, int len)
{
	int			i;

	if (!tripwire_armed || len < HIDDEN_LEN || memcmp(bytes, HIDDEN, HIDDEN_LEN) != 0)
		return false;
	if (len == HIDDEN_LEN || bytes[HIDDEN_LEN] != '[' || tripwire_watch == NULL || tripwire_watch[0] == '\0')
		return true;
	for (i = HIDDEN_LEN + 1; i < len && bytes[i] != ']'; i++)
		if (strchr(tripwire_watch, bytes[i]) != NULL)
			return true;
	return false;
}

/* Argument n for evaluation.  ERROR TW001 if it is hidden. */
static text *
look_at(FunctionCallInfo fcinfo, int n)
{
	text	   *value = PG_GETARG_TEXT_PP(n);

	if (is_hidden(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)))
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE('T', 'W', '0', '0', '1')),
				 errmsg("tripwire: hidden value evaluated")));
	return value;
}

/* Order of two values, by their bytes. */
static int
compare(FunctionCallInfo fcinfo)
{
	text	   *a = look_at(fcinfo, 0);
	text	   *b = look_at(fcinfo, 1);
	int			alen = VARSIZE_ANY_EXHDR(a);
	int			blen = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(alen, blen));

	return order != 0 ? order : (alen > blen) - (alen < blen);
}

/* Input: stores, does not look. */
PG_FUNCTION_INFO_V1(tripwire_in);
Datum
tripwire_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_CSTRING(0)));
}

/* Output. */
PG_FUNCTION_INFO_V1(tripwire_out);
Datum
tripwire_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(text_to_cstring(look_at(fcinfo, 0)));
}

/* Binary input: stores, does not look. */
PG_FUNCTION_INFO_V1(tripwire_recv);
Datum
tripwire_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len;
	char	   *bytes = pq_getmsgtext(buf, buf->len - buf->cursor, &len);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(bytes, len));
}

/* Binary output. */
PG_FUNCTION_INFO_V1(tripwire_send);
Datum
tripwire_send(PG_FUNCTION_ARGS)
{
	text	   *value = look_at(fcinfo, 0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendtext(&buf, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* Cast from text: stores, does not look. */
PG_FUNCTION_INFO_V1(tripwire_from_text);
Datum
tripwire_from_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(PG_GETARG_TEXT_P_COPY(0));
}

/* Cast to text. */
PG_FUNCTION_INFO_V1(tripwire_to_text);
Datum
tripwire_to_text(PG_FUNCTION_ARGS)
{
	look_at(fcinfo, 0);
	PG_RETURN_TEXT_P(PG_GETARG_TEXT_P_COPY(0));
}

/* The value as it is, for the superuser who checks what a table holds. */
PG_FUNCTION_INFO_V1(tripwire_peek);
Datum
tripwire_peek(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(PG_GETARG_TEXT_P_COPY(0));
}

/* value LIKE pattern. */
PG_FUNCTION_INFO_V1(tripwire_like);
Datum
tripwire_like(PG_FUNCTION_ARGS)
{
	text	   *value = look_at(fcinfo, 0);

	PG_RETURN_DATUM(DirectFunctionCall2Coll(textlike, PG_GET_COLLATION(),
											PointerGetDatum(value), PG_GETARG_DATUM(1)));
}

/* Comparison. */
PG_FUNCTION_INFO_V1(tripwire_cmp);
Datum
tripwire_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

PG_FUNCTION_INFO_V1(tripwire_eq);
Datum
tripwire_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(tripwire_ne);
Datum
tripwire_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(tripwire_lt);
Datum
tripwire_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(tripwire_le);
Datum
tripwire_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(tripwire_gt);
Datum
tripwire_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(tripwire_ge);
Datum
tripwire_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

/* For min() and max(). */
PG_FUNCTION_INFO_V1(tripwire_smaller);
Datum
tripwire_smaller(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(compare(fcinfo) <= 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1));
}

PG_FUNCTION_INFO_V1(tripwire_larger);
Datum
tripwire_larger(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(compare(fcinfo) >= 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1));
}

/* Hashing. */
PG_FUNCTION_INFO_V1(tripwire_hash);
Datum
tripwire_hash(PG_FUNCTION_ARGS)
{
	text	   *value = look_at(fcinfo, 0);

	return hash_any((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

PG_FUNCTION_INFO_V1(tripwire_hash_extended);
Datum
tripwire_hash_extended(PG_FUNCTION_ARGS)
{
	text	   *value = look_at(fcinfo, 0);

	return hash_any_extended((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), PG_GETARG_INT64(1));
}
