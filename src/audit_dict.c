/*-------------------------------------------------------------------------
 *
 * audit_dict.c
 *	  What many uses have in common is stored once.
 *
 * A template is who reads which relation for what by which statement; a note
 * is what a use says in words that can name a person.  The worker remembers
 * which it has stored by a digest of the content; after a start, or when it
 * remembers too many, it stores them again, which costs some space and nothing
 * else.
 *
 * A note that erasure has taken words from must not be used for new uses,
 * whose words these are, too: that is looked for when the note is used for the
 * first time in a batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "audit_chain.h"
#include "audit_fold.h"
#include "compat.h"

#define PZ_DICT_MAX		20000	/* entries remembered */

static const Oid note_types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, BYTEAOID};

PzRows		pz_template_rows = {
	.insert = "INSERT INTO personalize.audit_template (" PZ_TEMPLATE_COLUMNS ", batch_no, link) "
	"SELECT * FROM unnest($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)",
	.ncolumns = PZ_TEMPLATE_NCOLUMNS + 2, .types = pz_template_types
};
PzRows		pz_note_rows = {
	.insert = "INSERT INTO personalize.audit_note (note_id, app_user, application_name, client_addr, context, salt, digest) "
	"SELECT n.id, n.app_user, n.name, n.addr::pg_catalog.inet, n.context, n.salt, n.digest "
	"FROM unnest($1,$2,$3,$4,$5,$6,$7) AS n(id, app_user, name, addr, context, salt, digest)",
	.ncolumns = lengthof(note_types), .types = note_types
};

typedef struct DictEntry
{
	uint8		content[PZ_CHAIN_LEN];	/* hash key */
	int64		id;
	uint64		batch;			/* in which it was last seen to be whole */
	uint8		digest[PZ_NOTE_LEN];	/* of a note, salted */
} DictEntry;

static HTAB *templates = NULL;
static HTAB *notes = NULL;
static uint64 batch = 0;		/* number of the batch at hand, in this process */

/*
 * A batch begins.
 */
void
pz_dict_reset(void)
{
	pz_rows_reset(&pz_template_rows);
	pz_rows_reset(&pz_note_rows);
	batch++;
}

/* New uses are of another period: they have templates and notes of their own. */
void
pz_dict_forget(void)
{
	if (templates != NULL)
		hash_destroy(templates);
	if (notes != NULL)
		hash_destroy(notes);
	templates = notes = NULL;
}

/*
 * The entry for some content, made if need be: *found says.
 */
static DictEntry *
dict_entry(HTAB **table, PzChain *chain, const StringInfo content, bool *found)
{
	uint8		digest[PZ_CHAIN_LEN];

	if (*table != NULL && hash_get_num_entries(*table) >= PZ_DICT_MAX)
	{
		hash_destroy(*table);
		*table = NULL;
	}
	if (*table == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = PZ_CHAIN_LEN;
		ctl.entrysize = sizeof(DictEntry);
		*table = hash_create("personalize audit texts", 256, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	pz_chain_digest(chain, content->data, content->len, digest);
	return hash_search(*table, digest, HASH_ENTER, found);
}

/*
 * Append a text to content, NULL or not, so that its end is clear.
 */
static void
put_text(StringInfo content, const char *text)
{
	if (text != NULL)
		appendStringInfo(content, "%zu:%s", strlen(text), text);
	appendStringInfoChar(content, ';');
}

/*
 * NULL for an empty string.
 */
static const char *
nonempty(const char *string)
{
	return string != NULL && string[0] != '\0' ? string : NULL;
}

/*
 * Number of the template of a use, which is queued if it is new.
 */
int64
pz_dict_template(PzChain *chain, const PzMsgIntent *intent)
{
	const char *texts[] = {intent->role_name, intent->session_role_name, nonempty(intent->purpose_name),
		nonempty(intent->legal_basis), intent->relation_name, intent->columns, intent->categories,
	intent->query, intent->reason};
	/* columns of audit_template */
	static const int columns[] = {1, 2, 4, 5, 7, 8, 9, 11, 12};
	StringInfoData content;
	DictEntry  *entry;
	bool		found;
	int			i;

	initStringInfo(&content);
	appendStringInfo(&content, "%d;%u;%llu;", intent->purpose_id, intent->relid, (unsigned long long) intent->query_id);
	for (i = 0; i < lengthof(texts); i++)
		put_text(&content, texts[i]);
	entry = dict_entry(&templates, chain, &content, &found);
	pfree(content.data);
	if (found)
		return entry->id;

	entry->id = nextval_internal(pz_store_text_seq, false);
	entry->batch = batch;
	pz_rows_add(&pz_template_rows);
	pz_rows_set(&pz_template_rows, 0, Int64GetDatum(entry->id));
	pz_rows_set(&pz_template_rows, 3, Int32GetDatum(intent->purpose_id));
	pz_rows_set(&pz_template_rows, 6, ObjectIdGetDatum(intent->relid));
	if (intent->query_id != 0)
		pz_rows_set(&pz_template_rows, 10, Int64GetDatum((int64) intent->query_id));
	for (i = 0; i < lengthof(texts); i++)
		pz_rows_set_text(&pz_template_rows, columns[i], texts[i]);
	return entry->id;
}

/*
 * Has a stored note all its words?
 */
static bool
note_is_whole(int64 note_id)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		value = Int64GetDatum(note_id);

	return pz_store_execute(&plan, "SELECT FROM personalize.audit_note WHERE note_id = $1 AND NOT erased",
							1, types, &value, NULL) > 0;
}

/*
 * A copy of some bytes as a bytea.
 */
static Datum
bytes_datum(const uint8 *bytes, int len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return PointerGetDatum(result);
}

/*
 * Number of the note of a use, which is queued if it is new; 0 if it says
 * nothing.  *digest is set to its salted digest, or NULL.
 */
int64
pz_dict_note(PzChain *chain, const PzMsgIntent *intent, const uint8 **digest)
{
	const char *texts[PZ_NOTE_TEXTS] = {nonempty(intent->app_user), nonempty(intent->application_name),
	nonempty(intent->client_addr), nonempty(intent->context)};
	uint8		salt[PZ_NOTE_SALT_LEN * PZ_NOTE_TEXTS];
	StringInfoData content;
	DictEntry  *entry;
	bool		found;
	int			i;

	*digest = NULL;
	if (texts[0] == NULL && texts[1] == NULL && texts[2] == NULL && texts[3] == NULL)
		return 0;

	initStringInfo(&content);
	for (i = 0; i < PZ_NOTE_TEXTS; i++)
		put_text(&content, texts[i]);
	entry = dict_entry(&notes, chain, &content, &found);
	pfree(content.data);
	if (!found || (entry->batch != batch && !note_is_whole(entry->id)))
	{
		if (!pg_strong_random(salt, sizeof(salt)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		entry->id = nextval_internal(pz_store_text_seq, false);
		pz_chain_note_digest(chain, salt, texts, entry->digest);
		pz_rows_add(&pz_note_rows);
		pz_rows_set(&pz_note_rows, 0, Int64GetDatum(entry->id));
		for (i = 0; i < PZ_NOTE_TEXTS; i++)
			pz_rows_set_text(&pz_note_rows, 1 + i, texts[i]);
		pz_rows_set(&pz_note_rows, 5, bytes_datum(salt, sizeof(salt)));
		pz_rows_set(&pz_note_rows, 6, bytes_datum(entry->digest, PZ_NOTE_LEN));
	}
	entry->batch = batch;
	*digest = (uint8 *) VARDATA_ANY(DatumGetByteaPP(bytes_datum(entry->digest, PZ_NOTE_LEN)));
	return entry->id;
}
