/*-------------------------------------------------------------------------
 *
 * superuser.c
 *	  SQL that the library itself runs, whoever the user is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "superuser.h"

/*
 * Run one SELECT for its effect, as the bootstrap superuser in a
 * security-restricted operation.  The text names every object with its schema,
 * quoted where a user chose the name; anything else a user wrote comes by
 * values (of types, none of them NULL).  Needs a snapshot, as SPI does.  Raises what the statement
 * raises; the user is then put back by the abort.
 */
void
pz_superuser_select(const char *sql, int nargs, Oid *types, Datum *values)
{
	Oid			save_user;
	int			save_context;
	int			result;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	result = SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not run a statement of the library: %s",
			 SPI_result_code_string(result));	/* cannot happen */
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
}
