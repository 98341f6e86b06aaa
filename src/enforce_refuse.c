/*-------------------------------------------------------------------------
 *
 * enforce_refuse.c
 *	  Put on record that a command was refused.
 *
 * Statements that are refused have a frame, and hooks.c records it.  Commands
 * without a plan are refused where they are looked at; this makes a use of it
 * for the record.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "enforce.h"
#include "guc.h"
#include "registry.h"
#include "shmem.h"

static void (*refused_hook) (PzUse *use, const char *reason) = NULL;

/*
 * Set what records a refused use.
 */
void
pz_refuse_init(void (*refused) (PzUse *use, const char *reason))
{
	refused_hook = refused;
}

/*
 * A command on a protected relation is about to be refused: put that on record.
 * reason is a few words without personal data.  Errors only if there is no
 * memory; the caller raises the error.
 */
void
pz_refuse_command(const PzRelation *rel, const char *reason)
{
	const char *name = pz_purpose ? pz_purpose : "";
	const PzPurpose *purpose = name[0] ? pz_registry_purpose_by_name(name) : NULL;
	PzUse	   *use;

	if (refused_hook == NULL || rel == NULL)
		return;
	use = palloc0(sizeof(PzUse));
	use->mcxt = CurrentMemoryContext;
	use->started_at = pz_clock_now();
	pz_frame_fill_who(use);
	use->purpose_id = purpose ? purpose->purpose_id : PZ_PURPOSE_NONE;
	use->purpose_name = pstrdup(name);
	use->legal_basis = purpose ? pstrdup(purpose->basis_name) : "";
	use->relid = rel->relid;
	use->relation_name = pstrdup(rel->name);
	use->columns = "";
	use->categories = "";
	use->stmt_location = -1;
	refused_hook(use, reason);
}
