/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far long work is: the view personalize.progress.
 *
 * Each process of the server has a slot in shared memory, by the number of its
 * PGPROC, so that slots cannot run out; PostgreSQL's own (backend_progress.h) has
 * fixed commands, of which none are ours.  In a slot is a stack: work may do other
 * work.  What lies deeper than PZ_PROGRESS_DEPTH is not shown.
 *
 * Only the process itself writes its slot, without a lock, with the protocol of
 * PgBackendStatus: the counter is odd while it writes, and whoever reads tries again
 * if the counter was odd or has moved.  Nothing in between can raise, so it is odd for
 * moments only; if a process dies in them, the server starts anew, with empty slots.
 *
 * Work ends with pz_progress_end(), and in any case with the (sub)transaction that it
 * began in, or with the process.  What begins outside of a transaction outlives those
 * that follow: background processes work so.
 *
 * What stands here are numbers, OIDs and words of the two lists below: nothing that a
 * caller supplies, so no personal data.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "progress.h"
#include "shmem.h"

#define PZ_PROGRESS_DEPTH	4	/* work within work that is shown */

/* Work that goes on */
typedef struct PzProgressWork
{
	PzWork		work;
	PzPhase		phase;
	Oid			relid;			/* 0: none */
	int			nest;			/* level of the transaction it began in, 0: outside */
	int64		done;
	int64		total;			/* PZ_PROGRESS_UNKNOWN, or more */
	TimestampTz started_at;
} PzProgressWork;

/* The slot of a process; see above for how it is read and written */
typedef struct PzProgressSlot
{
	uint32		changecount;	/* odd: is being written */
	pid_t		pid;
	Oid			dbid;
	int			depth;			/* works in use, the innermost is the last */
	PzProgressWork works[PZ_PROGRESS_DEPTH];
} PzProgressSlot;

static const char *const works[] = {
	[PZ_WORK_NONE] = NULL,
	[PZ_WORK_RECORD_CONSENTS] = "record_consents",
	[PZ_WORK_RECORD_OUTCOMES] = "record_outcomes",
	[PZ_WORK_RECORD_EXPOSURES] = "record_exposures",
	[PZ_WORK_LOAD_SET] = "load consent set",
	[PZ_WORK_INGEST] = "ingest record of use",
	[PZ_WORK_ERASE] = "erase_subjects",
	[PZ_WORK_REQUESTED] = "requested erasure",
	[PZ_WORK_SWEEP] = "retention sweep",
	[PZ_WORK_EXCLUSIONS] = "refresh_exclusions",
	[PZ_WORK_REAPPLY] = "reapply_erasures",
	[PZ_WORK_VERIFY_ERASURE] = "verify_erasure",
	[PZ_WORK_EXPORT_SUBJECT] = "export_subject",
	[PZ_WORK_EXPORT_ROWS] = "export_rows",
	[PZ_WORK_EXPORT_CSV] = "export_csv",
	[PZ_WORK_VERIFY_AUDIT] = "verify_audit",
	[PZ_WORK_STANDBY_LOG] = "ingest_standby_log",
	[PZ_WORK_FIGURES] = "figures",
	[PZ_WORK_REPORT] = "report_html"
};

/* Names of phases, and what done and total count in each; NULL: nothing */
static const struct
{
	const char *name;
	const char *unit;
}			phases[] =
{
	[PZ_PHASE_STARTING] = {"starting", NULL},
	[PZ_PHASE_SOURCE] = {"reading the source", NULL},
	[PZ_PHASE_RECORDING] = {"recording", "rows"},
	[PZ_PHASE_COUNTING] = {"counting rows", "steps"},
	[PZ_PHASE_ERASING] = {"erasing rows", "steps"},
	[PZ_PHASE_CHECKING] = {"looking whether any are left", NULL},
	[PZ_PHASE_WAITING] = {"waiting for the audit worker", NULL},
	[PZ_PHASE_FORGETTING] = {"forgetting keys", NULL},
	[PZ_PHASE_DELETING] = {"deleting rows", "rows"},
	[PZ_PHASE_CONDITIONS] = {"looking at conditions", "exclusions"},
	[PZ_PHASE_SEARCHING] = {"looking for rows that came back", NULL},
	[PZ_PHASE_EXPORTING] = {"reading rows", "steps"},
	[PZ_PHASE_DOCUMENT] = {"putting rows together", NULL},
	[PZ_PHASE_SAID] = {"reading what was said and used", NULL},
	[PZ_PHASE_COUNTING_KEYS] = {"counting keys", "blocks"},
	[PZ_PHASE_KEYS] = {"reading keys", "blocks"},
	[PZ_PHASE_WRITERS] = {"looking for open transactions", NULL},
	[PZ_PHASE_LEDGER] = {"reading the ledger", "blocks"},
	[PZ_PHASE_SUPPRESSIONS] = {"reading who is kept back", "blocks"},
	[PZ_PHASE_DECIDING] = {"deciding", "decisions"},
	[PZ_PHASE_CHAIN] = {"computing the chain", "rows"},
	[PZ_PHASE_INGESTING] = {"reading write-ahead log", "bytes"},
	[PZ_PHASE_SENDING] = {"sending records", "bytes"},
	[PZ_PHASE_TABLE] = {"reading a table", "blocks"},
	[PZ_PHASE_PARTS] = {"making parts", "parts"}
};

static PzProgressSlot *slots = NULL;	/* MaxBackends of them, in shared memory */
static PzProgressSlot *mine = NULL; /* of this process; NULL: it has reported nothing yet */

/*
 * Size of the slots.  When shared memory is asked for, MaxBackends is known.
 */
Size
pz_progress_size(void)
{
	return mul_size(MaxBackends, sizeof(PzProgressSlot));
}

/*
 * Make the slots, or attach to them.  The caller holds AddinShmemInitLock.
 */
void
pz_progress_startup(void)
{
	bool		found;

	slots = ShmemInitStruct("personalize progress", pz_progress_size(), &found);
	if (!found)
		memset(slots, 0, pz_progress_size());
}

/* Whoever reads the slot of this process tries again from here on ... */
static inline void
change_begin(void)
{
	mine->changecount++;
	pg_write_barrier();
}

/* ... until here. */
static inline void
change_end(void)
{
	pg_write_barrier();
	mine->changecount++;
}

/* Keep so many works. */
static void
cut(int depth)
{
	if (depth >= mine->depth)
		return;
	change_begin();
	mine->depth = depth;
	change_end();
}

/* before_shmem_exit callback: the slot is for another process from now on. */
static void
progress_exit(int code, Datum arg)
{
	cut(0);
}

/*
 * The work of that kind that is innermost, if the innermost work is of that kind;
 * NULL otherwise.
 */
static PzProgressWork *
innermost(PzWork work)
{
	PzProgressWork *top = mine && mine->depth > 0 ? &mine->works[mine->depth - 1] : NULL;

	return top && top->work == work ? top : NULL;
}

/*
 * Begin work, within what goes on already; relid: the relation that it is about, or
 * InvalidOid.  Never errors.  Does nothing where there is no shared memory.
 */
void
pz_progress_begin(PzWork work, Oid relid)
{
	PzProgressWork *w;

	if (mine == NULL)
	{
		int64		number = MyProc ? MyProc - ProcGlobal->allProcs : -1;

		if (slots == NULL || number < 0 || number >= MaxBackends || proc_exit_inprogress)
			return;
		mine = &slots[number];
		change_begin();
		mine->pid = MyProcPid;
		mine->dbid = MyDatabaseId;
		mine->depth = 0;
		change_end();
		before_shmem_exit(progress_exit, (Datum) 0);
	}
	if (mine->depth == PZ_PROGRESS_DEPTH)
		return;
	w = &mine->works[mine->depth];
	change_begin();
	w->work = work;
	w->phase = PZ_PHASE_STARTING;
	w->relid = relid;
	w->nest = GetCurrentTransactionNestLevel();
	w->done = 0;
	w->total = PZ_PROGRESS_UNKNOWN;
	w->started_at = GetCurrentTimestamp();
	mine->depth++;
	change_end();
}

/* Is this the innermost work now?  Never errors. */
bool
pz_progress_goes_on(PzWork work)
{
	return innermost(work) != NULL;
}

/*
 * The innermost work, if it is this one, is in a phase, of which so much of so much is
 * done.  relid: InvalidOid where it is about none.  Never errors.
 */
void
pz_progress_phase(PzWork work, PzPhase phase, Oid relid, int64 done, int64 total)
{
	PzProgressWork *w = innermost(work);

	if (w == NULL)
		return;
	change_begin();
	w->phase = phase;
	w->relid = relid;
	w->done = done;
	w->total = total;
	change_end();
}

/*
 * So much of the phase is done.  A few instructions; not for every row all the same.
 */
void
pz_progress_done(PzWork work, int64 done)
{
	PzProgressWork *w = innermost(work);

	if (w == NULL || w->done == done)
		return;
	change_begin();
	w->done = done;
	change_end();
}

/*
 * The innermost work, whatever it is, is at this relation.  Never errors.
 */
void
pz_progress_relation(Oid relid)
{
	PzProgressWork *w;

	if (mine == NULL || mine->depth == 0)
		return;
	w = &mine->works[mine->depth - 1];
	if (w->relid == relid)
		return;
	change_begin();
	w->relid = relid;
	change_end();
}

/*
 * Work has ended, with what went on within it; nothing happens if there is none of
 * that kind.  Never errors.
 */
void
pz_progress_end(PzWork work)
{
	int			i;

	if (mine == NULL)
		return;
	for (i = mine->depth - 1; i >= 0; i--)
	{
		if (mine->works[i].work == work)
		{
			cut(i);
			return;
		}
	}
}

/* What began in a transaction of that level, or deeper, is over. */
static void
end_level(int nest)
{
	int			i;

	for (i = 0; i < mine->depth && mine->works[i].nest < nest; i++)
		;
	cut(i);
}

/*
 * The transaction has ended, with what began in it.  Never errors.
 */
void
pz_progress_end_transaction(void)
{
	if (mine && mine->depth > 0)
		end_level(1);
}

/*
 * So has the current subtransaction; what goes on after its commit belongs to the one
 * around it.  Never errors.
 */
void
pz_progress_end_subtransaction(bool commit)
{
	int			nest = GetCurrentTransactionNestLevel();
	int			i;

	if (mine == NULL || mine->depth == 0)
		return;
	if (!commit)
		end_level(nest);
	else
		/* nobody else reads the levels */
		for (i = 0; i < mine->depth; i++)
			mine->works[i].nest = Min(mine->works[i].nest, nest - 1);
}

/* The work of a name; ERROR 22023 if there is none. */
static PzWork
work_of(text *name)
{
	char	   *s = text_to_cstring(name);
	int			i;

	for (i = PZ_WORK_NONE + 1; i < lengthof(works); i++)
		if (strcmp(works[i], s) == 0)
			return (PzWork) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no such work"),
			 errhint("Functions of the extension call this, with names that it knows.")));
}

/* The phase of a name; ERROR 22023 if there is none. */
static PzPhase
phase_of(text *name)
{
	char	   *s = text_to_cstring(name);
	int			i;

	for (i = 0; i < lengthof(phases); i++)
		if (strcmp(phases[i].name, s) == 0)
			return (PzPhase) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no such phase"),
			 errhint("Functions of the extension call this, with names that it knows.")));
}

/*
 * What the functions below have in common: (command text, phase text, done bigint,
 * total bigint, relation oid, more bigint).  Begins the work unless it is the innermost,
 * and notes what is not NULL; phase NULL ends it.  Another phase begins without a
 * relation and with nothing done; more is added to that.  Returns the total, NULL if it is not known.
 */
static Datum
report(FunctionCallInfo fcinfo, PzWork work)
{
	PzProgressWork *w;
	PzPhase		phase;

	if (PG_ARGISNULL(1))
	{
		pz_progress_end(work);
		PG_RETURN_NULL();
	}
	phase = phase_of(PG_GETARG_TEXT_PP(1));
	if (innermost(work) == NULL)
		pz_progress_begin(work, InvalidOid);
	w = innermost(work);
	if (w == NULL)
		PG_RETURN_NULL();
	change_begin();
	if (w->phase != phase)
	{
		w->phase = phase;
		w->relid = InvalidOid;
		w->done = 0;
		w->total = PZ_PROGRESS_UNKNOWN;
	}
	if (!PG_ARGISNULL(2))
		w->done = Max(PG_GETARG_INT64(2), 0);
	if (!PG_ARGISNULL(3))
		w->total = Max(PG_GETARG_INT64(3), PZ_PROGRESS_UNKNOWN);
	if (!PG_ARGISNULL(4))
		w->relid = PG_GETARG_OID(4);
	if (!PG_ARGISNULL(5))
		w->done += Max(PG_GETARG_INT64(5), 0);
	change_end();
	if (w->total == PZ_PROGRESS_UNKNOWN)
		PG_RETURN_NULL();
	PG_RETURN_INT64(w->total);
}

/*
 * progress_internal(command, phase, done, total, relation, more): for functions of
 * the extension; see report().
 */
PG_FUNCTION_INFO_V1(personalize_progress);
Datum
personalize_progress(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return report(fcinfo, work_of(PG_GETARG_TEXT_PP(0)));
}

/*
 * progress_recording_internal(command, phase, done, total, relation, more): the same
 * for functions that run as whoever calls them, who so can tell of no other work.
 */
PG_FUNCTION_INFO_V1(personalize_progress_recording);
Datum
personalize_progress_recording(PG_FUNCTION_ARGS)
{
	PzWork		work = PG_ARGISNULL(0) ? PZ_WORK_NONE : work_of(PG_GETARG_TEXT_PP(0));

	if (work < PZ_WORK_RECORD_CONSENTS || work > PZ_WORK_RECORD_EXPOSURES)
		PG_RETURN_NULL();
	return report(fcinfo, work);
}

/*
 * A copy of a slot as it is at one moment.  False if no process has it, or nothing is
 * done.
 */
static bool
read_slot(int i, PzProgressSlot *copy)
{
	PzProgressSlot *slot = &slots[i];

	for (;;)
	{
		uint32		before = *(volatile uint32 *) &slot->changecount;

		pg_read_barrier();
		memcpy(copy, slot, sizeof(PzProgressSlot));
		pg_read_barrier();
		if (before == *(volatile uint32 *) &slot->changecount && (before & 1) == 0)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	/* a process always takes its works away, so the second is for sure only */
	return copy->depth > 0 && ProcGlobal->allProcs[i].pid == copy->pid;
}

/*
 * progress_read_internal(): what goes on, as the view shows it, besides the OID of the
 * database; that of others is for roles that may read all statistics.
 */
PG_FUNCTION_INFO_V1(personalize_progress_read);
Datum
personalize_progress_read(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	int			i;
	int			j;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < MaxBackends; i++)
	{
		PzProgressSlot slot;

		if (!read_slot(i, &slot) || (slot.dbid != MyDatabaseId && !all))
			continue;
		for (j = 0; j < slot.depth; j++)
		{
			const PzProgressWork *w = &slot.works[j];
			const char *unit = phases[w->phase].unit;
			Datum		values[9];
			bool		nulls[9] = {false};

			values[0] = Int32GetDatum(slot.pid);
			values[1] = ObjectIdGetDatum(slot.dbid);
			/* elsewhere the OID is another relation's, or nobody's */
			nulls[2] = !OidIsValid(w->relid) || slot.dbid != MyDatabaseId;
			values[2] = ObjectIdGetDatum(w->relid);
			values[3] = CStringGetTextDatum(works[w->work]);
			values[4] = CStringGetTextDatum(phases[w->phase].name);
			nulls[5] = nulls[6] = nulls[7] = unit == NULL;
			values[5] = Int64GetDatum(w->done);
			nulls[6] = nulls[6] || w->total == PZ_PROGRESS_UNKNOWN;
			values[6] = Int64GetDatum(w->total);
			values[7] = unit ? CStringGetTextDatum(unit) : (Datum) 0;
			values[8] = TimestampTzGetDatum(w->started_at);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
