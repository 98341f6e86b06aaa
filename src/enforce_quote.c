/*-------------------------------------------------------------------------
 *
 * enforce_quote.c
 *	  Can the text of an error quote a value of a row?
 *
 * Where expressions of constraints, indexes and commands see cells that the
 * statement may not, a built-in function can quote them in any error: besides
 * errors about data, what looks a value up as the name of something says that
 * a column, a cursor or a setting of this name does not exist.  So errors are
 * taken for quoting ones unless it is known that they are not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/elog.h"

#include "enforce.h"

/* Source files of PostgreSQL whose errors name objects of the statement, and no values */
static const char *const of_statements[] = {
	"cluster.c", "dependency.c", "execMain.c", "execPartition.c", "heap.c", "index.c", "indexcmds.c",
	"nodeModifyTable.c", "parse_utilcmd.c", "tablecmds.c", "toasting.c", "vacuum.c", "vacuumlazy.c",
};

/* Has an error been raised by the code of commands and of the executor, or by the refusals of this library? */
static bool
is_raised_by_statement(const ErrorData *edata)
{
	const char *file = edata->filename ? edata->filename : "";
	int			i;

	if (strncmp(file, "enforce_", strlen("enforce_")) == 0)
		return true;
	for (i = 0; i < lengthof(of_statements); i++)
		if (strcmp(file, of_statements[i]) == 0)
			return true;
	return false;
}

/* Has a procedural language of PostgreSQL raised an error? */
static bool
is_raised_by_language(const ErrorData *edata)
{
	static const char *const of_languages[] = {"pl_exec.c", "plperl.c", "plpy_elog.c", "plpy_plpymodule.c", "pltcl.c"};
	const char *file = edata->filename ? edata->filename : "";
	int			i;

	for (i = 0; i < lengthof(of_languages); i++)
		if (strcmp(file, of_languages[i]) == 0)
			return true;
	return false;
}

/*
 * Can this message quote a value?  by_code: it was raised while a function of a
 * user, or what reads a text as code, was at work.  Such a function may say what
 * it likes, and was not given what the statement may not see; but a position is
 * then in whatever it reads.
 */
bool
pz_quote_may(const ErrorData *edata, bool by_code)
{
	int			code = edata->sqlerrcode;

	switch (ERRCODE_TO_CATEGORY(code))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_PLPGSQL_ERROR: /* RAISE of a trigger */
			return false;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_INVALID_CATALOG_NAME:
		case ERRCODE_INVALID_CURSOR_NAME:
		case ERRCODE_INVALID_SCHEMA_NAME:
		case ERRCODE_INVALID_SQL_STATEMENT_NAME:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_SYSTEM_ERROR:
			break;
		default:
			if (by_code && is_raised_by_language(edata))
				return false;
			break;
	}
	/* with a position it is about the text of the statement; some about columns of commands have none */
	if (!by_code && (edata->cursorpos != 0 || edata->internalpos != 0 ||
					 (code == ERRCODE_UNDEFINED_COLUMN && edata->filename && strcmp(edata->filename, "parse_relation.c") == 0)))
		return false;
	/* rights that a statement of a function lacks; a built-in function can ask for those to what a value names */
	if (by_code && code == ERRCODE_INSUFFICIENT_PRIVILEGE && edata->filename && strcmp(edata->filename, "aclchk.c") == 0)
		return false;
	return code != ERRCODE_LOCK_NOT_AVAILABLE && !is_raised_by_statement(edata);
}
