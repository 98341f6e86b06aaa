/*-------------------------------------------------------------------------
 *
 * personalize.c
 *	  Entry point of the library: a table of contents.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "audit.h"
#include "compat.h"
#include "counters.h"
#include "guc.h"
#include "hooks.h"
#include "keys.h"
#include "registry.h"
#include "restore.h"
#include "shmem.h"

PZ_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/*
 * Set everything up in the postmaster.  Loaded any other way, the library
 * serves nothing: its functions raise 55000.
 */
void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	pz_guc_init();
	pz_keys_load();
	pz_restore_init();
	pz_shmem_init();
	pz_registry_init();
	pz_audit_init();
	pz_counters_init();
	pz_hooks_install();
}
