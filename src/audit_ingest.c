/*-------------------------------------------------------------------------
 *
 * audit_ingest.c
 *	  Takes the log of a standby into the record of use of the primary.
 *
 * The records go into the WAL of the primary, each in a message of its own with
 * its place in the file, and from there into the tables as any other message does;
 * audit_log_store.c takes each once.  What a file must be to be taken in is
 * judged in SQL (sql/code/52_standby.sql).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit.h"
#include "audit_log.h"
#include "compat.h"
#include "errors.h"
#include "progress.h"
#include "shmem.h"

PG_FUNCTION_INFO_V1(personalize_standby_log_head);
PG_FUNCTION_INFO_V1(personalize_standby_log_send);

/* A copy of a file, since messages are read in place. */
static char *
copy_file(struct varlena *content, size_t *len)
{
	char	   *data;

	*len = VARSIZE_ANY_EXHDR(content);
	data = palloc_extended(Max(*len, 1), MCXT_ALLOC_HUGE);
	memcpy(data, VARDATA_ANY(content), *len);
	return data;
}

/* Begin to read a file; ERROR if it is not one of this database and cluster. */
static void
open_log(PzLogReader *reader, struct varlena *content)
{
	char	   *data;
	size_t		len;

	pz_require_preloaded();
	if (!pz_keys_prepare())
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the keys of personalize are not available"),
				 errhint("See the server log of the last start.")));
	data = copy_file(content, &len);
	pz_log_read_begin(reader, data, len);
	if (!pz_log_read_next(reader))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this is not a log of uses of a standby that has the key of this server"),
				 errhint("Take a file of personalize.standby_log_directory of the standby; personalize.key must be the same on both.")));
	if (reader->header.dbid != MyDatabaseId || reader->header.system_identifier != GetSystemIdentifier())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this log of uses is of another database"),
				 errhint("Its name begins with the OID of the database that it is of.")));
}

/*
 * standby_log_head_internal(content bytea, known bigint, OUT log_id bigint, OUT
 * log_no bigint, OUT node text, OUT previous_id bigint, OUT previous_bytes bigint,
 * OUT good bigint, OUT link bytea): what a file says of itself; how many bytes of
 * it can be read, and the state of its chain after "known" bytes (NULL if no
 * record ends there).
 */
Datum
personalize_standby_log_head(PG_FUNCTION_ARGS)
{
	int64		known = PG_GETARG_INT64(1);
	PzLogReader reader;
	MemoryContext mcxt;
	MemoryContext old;
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};
	bytea	   *link = palloc(VARHDRSZ + PZ_MAC_LEN);

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");	/* cannot happen: declared so */
	open_log(&reader, PG_GETARG_VARLENA_PP(0));
	SET_VARSIZE(link, VARHDRSZ + PZ_MAC_LEN);
	nulls[6] = true;
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize log", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	do
	{
		if ((int64) reader.end == known)
		{
			memcpy(VARDATA(link), reader.link, PZ_MAC_LEN);
			nulls[6] = false;
		}
		MemoryContextReset(mcxt);
		CHECK_FOR_INTERRUPTS();
	} while (pz_log_read_next(&reader));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);

	values[0] = Int64GetDatum(reader.log.log_id);
	values[1] = Int64GetDatum((int64) reader.log.log_no);
	values[2] = CStringGetTextDatum(reader.log.node ? reader.log.node : "");
	values[3] = Int64GetDatum(reader.log.previous_id);
	values[4] = Int64GetDatum((int64) reader.log.previous_end);
	values[5] = Int64GetDatum((int64) reader.end);
	values[6] = PointerGetDatum(link);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * standby_log_send_internal(content bytea, known bigint, gap text, last boolean)
 * returns bigint: puts the records after "known" bytes into the WAL, before them
 * that something is missing (gap, unless empty), after them that the log does
 * not go on (last).  Returns how many there were.
 */
Datum
personalize_standby_log_send(PG_FUNCTION_ARGS)
{
	int64		known = PG_GETARG_INT64(1);
	char	   *gap = text_to_cstring(PG_GETARG_TEXT_PP(2));
	PzLogReader reader;
	MemoryContext mcxt;
	MemoryContext old;
	int64		n = 0;

	open_log(&reader, PG_GETARG_VARLENA_PP(0));
	if (gap[0] != '\0')
		pz_audit_send_gap(gap);
	pz_progress_phase(PZ_WORK_STANDBY_LOG, PZ_PHASE_SENDING, InvalidOid, 0, VARSIZE_ANY_EXHDR(PG_GETARG_VARLENA_PP(0)));
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize log", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	do
	{
		if ((int64) reader.at >= known)
		{
			pz_audit_send_standby(reader.log.log_id, reader.at, reader.end, reader.link,
								  reader.message, reader.message_len);
			n++;
		}
		pz_progress_done(PZ_WORK_STANDBY_LOG, (int64) reader.end);
		MemoryContextReset(mcxt);
		CHECK_FOR_INTERRUPTS();
	} while (pz_log_read_next(&reader));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	if (PG_GETARG_BOOL(3))
		pz_audit_send_last(reader.log.log_id);
	PG_RETURN_INT64(n);
}
