/*-------------------------------------------------------------------------
 *
 * superuser.c
 *	  SQL that the library itself runs as another user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "superuser.h"

/* Run one SELECT for its effect as a role, in a security-restricted operation. */
static void
select_as(Oid role, int context, const char *sql, int nargs, Oid *types, Datum *values)
{
	Oid			save_user;
	int			save_context;
	int			result;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(role, save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION | context);
	SPI_connect();
	result = SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not run a statement of the library: %s",
			 SPI_result_code_string(result));	/* cannot happen */
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * Run one SELECT for its effect, as the bootstrap superuser in a
 * security-restricted operation.  It must touch objects of the extension only:
 * planning a query on a table calls functions of the table's owner.  The text
 * names every object with its schema; what a user wrote comes by values (of
 * types, none of them NULL).  Needs a snapshot, as SPI does.  Raises what the
 * statement raises; the user is then put back by the abort.
 */
void
pz_superuser_select(const char *sql, int nargs, Oid *types, Datum *values)
{
	select_as(BOOTSTRAP_SUPERUSERID, 0, sql, nargs, types, values);
}

/*
 * The same on a table, as its owner, whom no policy binds.  The text names
 * every object with its schema, quoted where a user chose the name.
 */
void
pz_owner_select(Oid owner, const char *sql)
{
	select_as(owner, SECURITY_NOFORCE_RLS, sql, 0, NULL, NULL);
}
