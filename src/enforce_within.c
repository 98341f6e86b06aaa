/*-------------------------------------------------------------------------
 *
 * enforce_within.c
 *	  For whom code runs that PostgreSQL calls as somebody else.
 *
 * A purpose is held by the outer user, whoever's function asks.  But there are
 * commands in which PostgreSQL itself runs code of the owner of a table, as
 * that owner, so that it gains nothing from who gave the command: functions in
 * indexes, statistics and materialized views (ANALYZE, autovacuum, REINDEX,
 * CLUSTER, REFRESH: a security-restricted operation), and triggers behind the
 * action of a foreign key.  There the owner must hold the purpose, too, or the
 * duty; and personalize.purpose cannot be set in a security-restricted
 * operation (guc.c).
 *
 * What runs below such code may switch the user again (SECURITY DEFINER), so
 * users are remembered where statements are run, and, in a security-restricted
 * operation, where a function is made ready to be called: there PostgreSQL
 * calls functions without a statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "enforce.h"
#include "registry.h"

#define PZ_CALLERS_MAX	32

static PzWithin *within = NULL; /* innermost; in the stack frames of our hooks */

/* As whom functions were called since PostgreSQL has switched the user */
static Oid	callers[PZ_CALLERS_MAX];
static int	ncallers = 0;
static bool too_many = false;	/* there were more */

/* Does PostgreSQL run code as another user now, so that it gains nothing? */
bool
pz_within_is_switched(void)
{
	return InSecurityRestrictedOperation() || InNoForceRLSOperation();
}

/* Forget who has called functions. */
static void
forget_callers(void)
{
	ncallers = 0;
	too_many = false;
}

/*
 * A function is made ready to be called (OAT_FUNCTION_EXECUTE): remember by
 * whom.
 */
void
pz_within_note(void)
{
	Oid			role = GetUserId();
	int			i;

	if (!InSecurityRestrictedOperation())
	{
		forget_callers();
		return;
	}
	for (i = 0; i < ncallers; i++)
		if (callers[i] == role)
			return;
	if (ncallers < PZ_CALLERS_MAX)
		callers[ncallers++] = role;
	else
		too_many = true;
}

/* A command begins. */
void
pz_within_command(void)
{
	if (!InSecurityRestrictedOperation())
		forget_callers();
}

/*
 * A statement runs: remember for whom, in a variable of the caller, until
 * pz_within_leave.
 */
void
pz_within_enter(PzWithin *entry)
{
	entry->role = pz_within_is_switched() ? GetUserId() : InvalidOid;
	entry->outer = within;
	within = entry;
}

/* It is over, or failed. */
void
pz_within_leave(PzWithin *entry)
{
	within = entry->outer;
}

/* End of a transaction: nothing is under way any more. */
void
pz_within_end_transaction(void)
{
	within = NULL;
	forget_callers();
}

/* What a role must hold: a purpose, with the right to copy for it if copies, or else a duty. */
typedef struct Need
{
	int32		purpose_id;
	bool		copies;
	const char *duty;			/* NULL: the purpose */
} Need;

/* Does a role lack what is needed? */
static bool
lacks(Oid role, const Need *need)
{
	bool		may_copy = false;

	if (need->duty)
		return !pz_registry_has_duty(role, need->duty);
	return !pz_registry_granted(need->purpose_id, role, &may_copy) || (need->copies && !may_copy);
}

/*
 * A role, besides the outer user, for which code runs and that lacks what is
 * needed; InvalidOid if there is none.
 */
static Oid
who_lacks(const Need *need)
{
	Oid			outer = GetOuterUserId();
	bool		restricted = InSecurityRestrictedOperation();
	PzWithin   *entry;
	int			i;

	if (pz_within_is_switched() && GetUserId() != outer && lacks(GetUserId(), need))
		return GetUserId();
	for (entry = within; entry; entry = entry->outer)
		if (OidIsValid(entry->role) && entry->role != outer && lacks(entry->role, need))
			return entry->role;
	for (i = 0; restricted && i < ncallers; i++)
		if (callers[i] != outer && lacks(callers[i], need))
			return callers[i];
	return restricted && too_many ? GetUserId() : InvalidOid;
}

/*
 * A role, besides the outer user, that lacks a purpose which it would have to
 * hold, or the right to copy for it if copies; InvalidOid if there is none.
 */
Oid
pz_within_without(int32 purpose_id, bool copies)
{
	Need		need = {purpose_id, copies, NULL};

	return who_lacks(&need);
}

/* Has everybody for whom code runs a duty: the outer user, and the others? */
bool
pz_within_has_duty(const char *duty)
{
	Need		need = {0, false, duty};

	return !lacks(GetOuterUserId(), &need) && !OidIsValid(who_lacks(&need));
}
