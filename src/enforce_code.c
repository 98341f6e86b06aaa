/*-------------------------------------------------------------------------
 *
 * enforce_code.c
 *	  Watch functions of users where it matters that they run.
 *
 * This uses fmgr_hook, as contrib/sepgsql does.  It is asked for a function
 * only while one of these holds, so that other calls cost nothing:
 *
 * - a command reads all rows of a protected relation (enforce_ddl.c): then no
 *	 function in SQL or a procedural language may be called;
 * - referential integrity runs, or foreign keys are added: a query that code of
 *	 a user sends within it is none of referential integrity, whatever its shape
 *	 (enforce_ri.c);
 * - the planner computes a function labelled IMMUTABLE: what that reads would
 *	 become a constant of a plan that outlives purpose and consent.
 *
 * It is asked when somebody looks a function up, not at each call.  Functions
 * that types and relations keep at hand (a range type's difference, an index's
 * comparisons) may have been looked up long before, so nothing may depend on
 * these being watched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "errors.h"

/* Code of users that is being called */
typedef struct UserCode
{
	PzRiState	ri;				/* to go back to, once the call under way is over */
	bool		folding;		/* the planner makes a constant of its result */
	bool		event;			/* it is an event trigger's, or called by one */
} UserCode;

static UserCode user_code = {{0, false}, false, false};	/* now */
static UserCode *outer_code = NULL; /* before each call under way */
static int	code_depth = 0;
static int	code_space = 0;
static int	planning_depth = 0; /* planners that are at work */

/* The planner begins (1) or has ended (-1); returns how many are at work. */
int
pz_code_planning(int change)
{
	planning_depth += change;
	return planning_depth;
}

/*
 * Can a SQL function read a table?  One that cannot may be inlined.
 */
static bool
may_read_tables(HeapTuple tup)
{
	bool		isnull;
	Datum		d = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_prosqlbody, &isnull);
	char	   *body;

	if (!isnull)
		return strstr(TextDatumGetCString(d), "{RANGETBLENTRY") != NULL;
	d = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_prosrc, &isnull);
	if (isnull)
		return true;
	body = asc_tolower(VARDATA_ANY(DatumGetTextPP(d)), VARSIZE_ANY_EXHDR(DatumGetTextPP(d)));
	return strstr(body, "from") != NULL || strstr(body, "table") != NULL;
}

/*
 * Is a function looked up to be called by an expression, rather than to be
 * inlined?  The planner computes constants in an executor state of its own.
 */
static bool
is_to_be_called(void)
{
	return strcmp(CurrentMemoryContext->name, "ExecutorState") == 0;
}

/*
 * Is a function one that must be looked at when it is called: written in SQL
 * or a procedural language, while a command reads all rows, referential
 * integrity runs or foreign keys are added; or labelled IMMUTABLE, while the
 * planner is at work?  A SQL function that calls another one reads tables by
 * that; the planner inlines it only if all that it calls is IMMUTABLE, too.
 */
bool
pz_code_watches(Oid funcid)
{
	HeapTuple	tup;
	bool		all = pz_ddl_blocks() || InNoForceRLSOperation() || pz_enforce_adds_foreign_key();
	bool		result = false;

	if ((!all && planning_depth == 0) || funcid < FirstNormalObjectId)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (HeapTupleIsValid(tup))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tup);

		result = proc->prolang != INTERNALlanguageId && proc->prolang != ClanguageId;
		if (result && !all)
			result = proc->provolatile == PROVOLATILE_IMMUTABLE &&
				(proc->prolang != SQLlanguageId || is_to_be_called() || may_read_tables(tup));
		ReleaseSysCache(tup);
	}
	return result;
}

/*
 * A watched function is about to be called: ERROR 42501 while a command reads
 * all rows.  Otherwise code of a user now runs, and what it sends is no query of
 * referential integrity.  Event triggers are called between commands and rows,
 * and may call what they like.
 */
void
pz_code_begins(Oid funcid)
{
	bool		event = user_code.event || get_func_rettype(funcid) == EVENT_TRIGGEROID;

	if (pz_ddl_blocks() && !event && pz_code_watches(funcid))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot call functions of users while all rows of a protected relation are read"),
				 errhint("Use built-in functions, or have a privacy officer take the protection away for the change.")));
	if (code_depth == code_space)
	{
		int			space = Max(16, code_space * 2);

		outer_code = outer_code ? repalloc(outer_code, space * sizeof(UserCode)) :
			MemoryContextAlloc(TopMemoryContext, space * sizeof(UserCode));
		code_space = space;
	}
	outer_code[code_depth] = user_code;
	outer_code[code_depth++].ri = pz_ri_enter();
	user_code.event = event;
	user_code.folding = user_code.folding ||
		(planning_depth > 0 && func_volatile(funcid) == PROVOLATILE_IMMUTABLE);
}

/* The function has returned, or failed. */
void
pz_code_ends(void)
{
	if (code_depth > 0)
	{
		user_code = outer_code[--code_depth];
		pz_ri_leave(user_code.ri);
	}
}

/*
 * A command begins (false) or goes back to what ran before: what it calls is
 * not called by the event trigger that may have given it.  Returns what was
 * before.
 */
bool
pz_code_in_event(bool running)
{
	bool		before = user_code.event;

	user_code.event = running;
	return before;
}

/* Does an event trigger run, or what it calls? */
bool
pz_code_is_event(void)
{
	return user_code.event;
}

/* Does the planner make a constant of what runs now? */
bool
pz_code_folding(void)
{
	return user_code.folding;
}

/* End of a transaction: nothing is called any more. */
void
pz_code_end_transaction(void)
{
	user_code.folding = user_code.event = false;
	code_depth = 0;
	planning_depth = 0;
}
