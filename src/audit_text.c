/*-------------------------------------------------------------------------
 *
 * audit_text.c
 *	  Text of a statement without its constants.
 *
 * A statement is kept for the record, but not what it says about people: the
 * scanner of PostgreSQL itself cuts it into tokens, each constant becomes $n
 * (numbered on after the parameters that are there), comments go, white space
 * is one blank.  What the scanner does not understand is not kept at all.
 *
 * The result is cached by query identifier, which PostgreSQL computes without
 * the constants too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/keywords.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "parser/scanner.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "audit_text.h"

#define PZ_TEXT_ENTRIES		256 /* cached statements of a session */
#define PZ_TEXT_MAX			(16 * 1024) /* bytes kept of one */
#define PZ_TEXT_SOURCE_MAX	(1024 * 1024)	/* longer statements are cut before they are scanned */
#define PZ_TEXT_UNPARSEABLE "<unparseable>"

/*
 * Codes of the tokens of the core scanner.  scanner.h promises that they are
 * the first ones and in this order in any parser built on it; the header with
 * the names is not installed.
 */
typedef enum PzToken
{
	PZ_TOKEN_IDENT = 258,
	PZ_TOKEN_UIDENT,
	PZ_TOKEN_FCONST,
	PZ_TOKEN_SCONST,
	PZ_TOKEN_USCONST,
	PZ_TOKEN_BCONST,
	PZ_TOKEN_XCONST,
	PZ_TOKEN_OP,
	PZ_TOKEN_ICONST,
	PZ_TOKEN_PARAM
} PzToken;

typedef struct PzTextEntry
{
	uint64		query_id;		/* hash key */
	char	   *text;
} PzTextEntry;

static MemoryContext text_cxt = NULL;	/* holds the cache, reset as a whole */
static HTAB *text_cache = NULL;

/*
 * Scan a text once.  With out NULL only looks for the highest parameter
 * number, which is returned.  conforming: a backslash in a plain string is one.
 * Errors as the scanner does.
 */
static int
pz_text_scan(const char *source, bool conforming, StringInfo out, int last_param)
{
	core_yy_extra_type extra;
	core_YYSTYPE value;
	core_yyscan_t scanner;
	YYLTYPE		location;
	int			previous_end = 0;
	int			token;

	scanner = scanner_init(source, &extra, &ScanKeywords, ScanKeywordTokens);
	extra.escape_string_warning = false;
	extra.backslash_quote = BACKSLASH_QUOTE_ON;
	extra.standard_conforming_strings = conforming;
	while ((token = core_yylex(&value, &location, scanner)) != 0)
	{
		/* the scanner ends the text of the current token with a zero byte */
		int			len = (int) strlen(extra.scanbuf + location);

		if (out == NULL)
		{
			if (token == PZ_TOKEN_PARAM)
				last_param = Max(last_param, value.ival);
			continue;
		}
		if (location > previous_end && out->len > 0)
			appendStringInfoChar(out, ' ');
		switch (token)
		{
			case PZ_TOKEN_FCONST:
			case PZ_TOKEN_SCONST:
			case PZ_TOKEN_USCONST:
			case PZ_TOKEN_BCONST:
			case PZ_TOKEN_XCONST:
			case PZ_TOKEN_ICONST:
				appendStringInfo(out, "$%d", ++last_param);
				break;
			default:
				appendBinaryStringInfo(out, extra.scanbuf + location, len);
				break;
		}
		previous_end = location + len;
		if (out->len > PZ_TEXT_MAX)
			break;
	}
	scanner_finish(scanner);
	return last_param;
}

/*
 * The text of a statement without its constants, in the current memory context; NULL
 * if the scanner does not understand it.  Errors only if there is no memory.
 */
static char *
pz_text_without_constants(const char *statement, bool conforming)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "personalize text", ALLOCSET_DEFAULT_SIZES);
	char	   *volatile result = NULL;

	MemoryContextSwitchTo(work);

	/*
	 * The scanner takes no lock and no resource besides memory, so its errors
	 * can be dropped without a subtransaction.
	 */
	PG_TRY();
	{
		StringInfoData out;

		initStringInfo(&out);
		pz_text_scan(statement, conforming, &out, pz_text_scan(statement, conforming, NULL, 0));
		while (out.len > 0 && (out.data[out.len - 1] == ' ' || out.data[out.len - 1] == ';'))
			out.data[--out.len] = '\0';
		if (out.len > PZ_TEXT_MAX)
			out.data[pg_mbcliplen(out.data, out.len, PZ_TEXT_MAX)] = '\0';
		result = MemoryContextStrdup(caller, out.data);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(work);
		if (geterrcode() == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
		result = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return result;
}

/*
 * Normalize a statement in the current memory context.  Errors only if there
 * is no memory.
 *
 * What standard_conforming_strings was when the statement was parsed is not known: it
 * may have been prepared, or be in a function.  Where that tells where constants end,
 * so that what is one could be taken for a name, the text is not kept.
 */
static char *
pz_text_normalize(const char *source, int location, int len)
{
	char	   *statement;
	char	   *text;
	char	   *other;

	if (location < 0)
		location = len = 0;
	if (len <= 0)
		len = (int) strnlen(source + location, PZ_TEXT_SOURCE_MAX + 1);
	if (len > PZ_TEXT_SOURCE_MAX)
		return pstrdup(PZ_TEXT_UNPARSEABLE);

	statement = pnstrdup(source + location, len);
	text = pz_text_without_constants(statement, true);
	if (strchr(statement, '\\') != NULL)
	{
		other = pz_text_without_constants(statement, false);
		if (text == NULL)
			text = other;
		else if (other != NULL && strcmp(text, other) != 0)
			text = NULL;
	}
	pfree(statement);
	return text != NULL ? text : pstrdup(PZ_TEXT_UNPARSEABLE);
}

/*
 * What of a statement is looked at to tell whether its text is kept already: not the
 * comment that it begins or ends with, which is not kept, and which is another one in
 * every statement where a client puts a trace into it.  Moves from and shortens len.
 */
static void
pz_text_without_comments(const char **from, int *len)
{
	const char *end = *from + *len;
	const char *close;
	const char *open;

	while (*from < end && strchr(" \t\n\r\f", **from) != NULL)
		(*from)++;
	if (end - *from >= 4 && strncmp(*from, "/*", 2) == 0)
	{
		close = memmem(*from + 2, end - *from - 2, "*/", 2);
		open = memmem(*from + 2, end - *from - 2, "/*", 2);
		/* not if there is a comment in it */
		if (close != NULL && (open == NULL || open > close))
			*from = close + 2;
	}
	while (end > *from && strchr(" \t\n\r\f;", end[-1]) != NULL)
		end--;
	if (end - *from >= 4 && strncmp(end - 2, "*/", 2) == 0)
	{
		for (open = end - 4; open > *from && strncmp(open, "/*", 2) != 0; open--)
			;
		/* it may be in a comment to the end of the line, and where that begins in a literal */
		if (open > *from && memmem(open, end - open, "--", 2) == NULL)
			end = open;
	}
	*len = end - *from;
}

/*
 * The text of the statement at location (-1: the whole text) and of length
 * len (0: to the end) in source without its constants, or NULL if source is
 * NULL.  The result lives until the next call with another statement.  Errors
 * only if there is no memory.
 */
const char *
pz_audit_text(const char *source, int location, int len, uint64 query_id)
{
	MemoryContext oldcontext;
	PzTextEntry *entry;
	char	   *text;
	int			slice;
	bool		found;

	if (source == NULL)
		return NULL;

	/* an identifier alone would not do: COPY (query) has that of its query */
	slice = len > 0 ? len : (int) strnlen(source + Max(location, 0), PZ_TEXT_SOURCE_MAX + 1);
	if (query_id != 0 && slice <= PZ_TEXT_SOURCE_MAX)
	{
		const char *from = source + Max(location, 0);

		pz_text_without_comments(&from, &slice);
		query_id = hash_combine64(query_id, hash_bytes_extended((const unsigned char *) from, slice, 0));
	}

	if (text_cache != NULL && query_id != 0)
	{
		entry = hash_search(text_cache, &query_id, HASH_FIND, NULL);
		if (entry != NULL)
			return entry->text;
	}
	if (text_cache == NULL || hash_get_num_entries(text_cache) >= PZ_TEXT_ENTRIES)
	{
		HASHCTL		ctl;

		text_cache = NULL;
		if (text_cxt == NULL)
			text_cxt = AllocSetContextCreate(TopMemoryContext, "personalize statements",
											 ALLOCSET_DEFAULT_SIZES);
		else
			MemoryContextReset(text_cxt);
		ctl.keysize = sizeof(uint64);
		ctl.entrysize = sizeof(PzTextEntry);
		ctl.hcxt = text_cxt;
		text_cache = hash_create("personalize statements", PZ_TEXT_ENTRIES, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	oldcontext = MemoryContextSwitchTo(text_cxt);
	text = pz_text_normalize(source, location, len);
	MemoryContextSwitchTo(oldcontext);

	/* without an identifier there is room for one text, under number 0 */
	entry = hash_search(text_cache, &query_id, HASH_ENTER, &found);
	if (found && entry->text != NULL)
		pfree(entry->text);
	entry->text = text;
	return text;
}
