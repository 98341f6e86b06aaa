/*-------------------------------------------------------------------------
 *
 * rights_words.c
 *	  Which of many keys may a free text name?
 *
 * Erasure looks through the free text of the ledger and of the record of use,
 * once for all persons of a batch.  What is found here are candidates: the SQL
 * functions that know what "names" means look at those alone
 * (58_scrub.sql).  None may be missing.
 *
 * Keys are found by their first bytes, at most PREFIX of them, in a table of
 * all that begin so; a text is looked up at each of its bytes, once for each
 * length of a prefix that there is.
 *
 * The table is built once for a statement, not for each text.  That its keys are
 * still those that are asked for cannot be told from the argument (an expression
 * of PL/pgSQL lives on from one call to the next, with other values), so the
 * caller says it by a stamp, which keys_stamp_internal() draws.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#define PREFIX	8				/* bytes of a key that it is looked up by */

/* One key, in lower case */
typedef struct WordKey
{
	char	   *bytes;
	int			len;
	int			next;			/* of those with the same hash; -1: none */
	uint64		seen;			/* number of the text it was found in last */
} WordKey;

/* All of them */
typedef struct WordKeys
{
	int64		stamp;			/* of the caller; 0: for this text only */
	MemoryContext mcxt;			/* all of it is there */
	WordKey    *keys;
	Datum	   *originals;		/* as they were given */
	int			nkeys;
	int		   *heads;			/* by hash of prefix; -1: none */
	uint32		mask;			/* number of heads, minus one */
	bool		lengths[PREFIX + 1];	/* is there a key whose prefix has so many bytes? */
	uint64		text_no;
} WordKeys;

/* The place of some first bytes in the table. */
static inline uint32
prefix_place(const WordKeys *all, const char *bytes, int len)
{
	return hash_bytes((const unsigned char *) bytes, len) & all->mask;
}

/* Build the table, in a memory context of its own.  NULLs and empty keys name nobody. */
static WordKeys *
make_keys(ArrayType *array, Oid collation, MemoryContext parent)
{
	MemoryContext mcxt = AllocSetContextCreate(parent, "personalize keys", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	WordKeys   *all = palloc0(sizeof(WordKeys));
	Datum	   *values;
	bool	   *nulls;
	int			nvalues;
	uint32		nheads = 16;
	int			i;

	all->mcxt = mcxt;
	deconstruct_array(DatumGetArrayTypePCopy(PointerGetDatum(array)), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &nvalues);
	while (nheads < (uint32) nvalues * 2)
		nheads *= 2;
	all->mask = nheads - 1;
	all->heads = palloc(sizeof(int) * nheads);
	memset(all->heads, -1, sizeof(int) * nheads);
	all->keys = palloc(sizeof(WordKey) * Max(nvalues, 1));
	all->originals = palloc(sizeof(Datum) * Max(nvalues, 1));
	for (i = 0; i < nvalues; i++)
	{
		WordKey    *key = &all->keys[all->nkeys];
		uint32		place;

		if (nulls[i])
			continue;
		key->bytes = str_tolower(VARDATA_ANY(DatumGetPointer(values[i])), VARSIZE_ANY_EXHDR(DatumGetPointer(values[i])), collation);
		key->len = strlen(key->bytes);
		if (key->len == 0)
			continue;
		place = prefix_place(all, key->bytes, Min(key->len, PREFIX));
		all->lengths[Min(key->len, PREFIX)] = true;
		key->seen = 0;
		key->next = all->heads[place];
		all->heads[place] = all->nkeys;
		all->originals[all->nkeys++] = values[i];
	}
	MemoryContextSwitchTo(old);
	return all;
}

/* Is a byte a letter or digit in every locale? */
static inline bool
is_ascii_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* keys_stamp_internal(): a number that no other call of this session returns. */
PG_FUNCTION_INFO_V1(personalize_keys_stamp);
Datum
personalize_keys_stamp(PG_FUNCTION_ARGS)
{
	static int64 last = 0;

	PG_RETURN_INT64(++last);
}

/*
 * keys_in_internal(free_text, keys, words, stamp): the keys that the text
 * contains, in any case; NULL if it is none.  words: not where a letter or digit
 * of ASCII stands directly before or behind.  stamp: the keys are the same as in
 * every call from the same place with this stamp; 0: nobody says so.
 */
PG_FUNCTION_INFO_V1(personalize_keys_in);
Datum
personalize_keys_in(PG_FUNCTION_ARGS)
{
	Oid			collation = OidIsValid(PG_GET_COLLATION()) ? PG_GET_COLLATION() : DEFAULT_COLLATION_OID;
	bool		words;
	text	   *free_text;
	char	   *lower;
	WordKeys   *all;
	int64		stamp;
	Datum	   *found = NULL;
	int			nfound = 0;
	int			len;
	int			i;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	stamp = PG_GETARG_INT64(3);
	all = fcinfo->flinfo->fn_extra;
	if (all == NULL || stamp == 0 || all->stamp != stamp)
	{
		if (all)
			MemoryContextDelete(all->mcxt);
		fcinfo->flinfo->fn_extra = NULL;
		all = make_keys(PG_GETARG_ARRAYTYPE_P(1), collation, fcinfo->flinfo->fn_mcxt);
		all->stamp = stamp;
		fcinfo->flinfo->fn_extra = all;
	}
	if (all->nkeys == 0)
		PG_RETURN_NULL();
	words = PG_GETARG_BOOL(2);
	free_text = PG_GETARG_TEXT_PP(0);
	lower = str_tolower(VARDATA_ANY(free_text), VARSIZE_ANY_EXHDR(free_text), collation);
	len = strlen(lower);
	all->text_no++;
	for (i = 0; i < len; i++)
	{
		int			prefix;

		if (words && i > 0 && is_ascii_word(lower[i - 1]))
			continue;
		for (prefix = 1; prefix <= PREFIX && i + prefix <= len; prefix++)
		{
			int			k;

			if (!all->lengths[prefix])
				continue;
			for (k = all->heads[prefix_place(all, lower + i, prefix)]; k >= 0; k = all->keys[k].next)
			{
				WordKey    *key = &all->keys[k];

				if (key->seen == all->text_no || Min(key->len, PREFIX) != prefix || i + key->len > len ||
					memcmp(key->bytes, lower + i, key->len) != 0)
					continue;
				if (words && i + key->len < len && is_ascii_word(lower[i + key->len]))
					continue;
				key->seen = all->text_no;
				if (found == NULL)
					found = palloc(sizeof(Datum) * all->nkeys);
				found[nfound++] = all->originals[k];
			}
		}
	}
	pfree(lower);
	if (nfound == 0)
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(construct_array(found, nfound, TEXTOID, -1, false, TYPALIGN_INT));
}
