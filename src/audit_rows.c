/*-------------------------------------------------------------------------
 *
 * audit_rows.c
 *	  Many rows in one statement.
 *
 * A statement of its own for each row would cost the audit worker several
 * times more.  Values are gathered by column and handed over as arrays.
 *
 * Rows and values live in the memory context that is current when they are
 * added; pz_rows_reset forgets them without freeing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "audit_store.h"

/*
 * Forget the rows of the last batch.
 */
void
pz_rows_reset(PzRows *rows)
{
	rows->nrows = 0;
	rows->space = 0;
}

/*
 * Add a row in which everything is NULL.  Returns its number.
 */
int
pz_rows_add(PzRows *rows)
{
	int			i;

	if (rows->nrows >= rows->space)
	{
		int			space = rows->space > 0 ? rows->space * 2 : 64;

		for (i = 0; i < rows->ncolumns; i++)
		{
			if (rows->space > 0)
			{
				rows->values[i] = repalloc_huge(rows->values[i], sizeof(Datum) * space);
				rows->nulls[i] = repalloc(rows->nulls[i], sizeof(bool) * space);
			}
			else
			{
				rows->values[i] = palloc(sizeof(Datum) * space);
				rows->nulls[i] = palloc(sizeof(bool) * space);
			}
		}
		rows->space = space;
	}
	for (i = 0; i < rows->ncolumns; i++)
	{
		rows->values[i][rows->nrows] = (Datum) 0;
		rows->nulls[i][rows->nrows] = true;
	}
	return rows->nrows++;
}

/*
 * Set a column (from 0) of the last row.
 */
void
pz_rows_set(PzRows *rows, int column, Datum value)
{
	rows->values[column][rows->nrows - 1] = value;
	rows->nulls[column][rows->nrows - 1] = false;
}

/*
 * Set a column of type text of the last row; NULL stays NULL.
 */
void
pz_rows_set_text(PzRows *rows, int column, const char *text)
{
	if (text != NULL)
		pz_rows_set(rows, column, CStringGetTextDatum(text));
}

/* Rows and number of columns that compare_rows compares by */
static const PzRows *compare_of;
static int	compare_keys;

static int
compare_rows(const void *a, const void *b)
{
	int			i;

	for (i = 0; i < compare_keys; i++)
	{
		Datum		left = compare_of->values[i][*(const int *) a];
		Datum		right = compare_of->values[i][*(const int *) b];
		bool		is_int4 = compare_of->types[i] == INT4OID;
		int64		l = is_int4 ? DatumGetInt32(left) : DatumGetInt64(left);
		int64		r = is_int4 ? DatumGetInt32(right) : DatumGetInt64(right);

		if (l != r)
			return l < r ? -1 : 1;
	}
	return 0;
}

/*
 * Numbers of the rows in the order of their first nkeys columns, which are
 * integers and not NULL.  In the current memory context.
 */
int *
pz_rows_order(const PzRows *rows, int nkeys)
{
	int		   *order = palloc(sizeof(int) * Max(rows->nrows, 1));
	int			i;

	for (i = 0; i < rows->nrows; i++)
		order[i] = i;
	compare_of = rows;
	compare_keys = nkeys;
	qsort(order, rows->nrows, sizeof(int), compare_rows);
	return order;
}

/*
 * Run the statement over the rows, if there are any, inside SPI.  Returns the
 * number of rows processed; what a RETURNING or SELECT gives is in
 * SPI_tuptable.  Errors as the statement does.
 */
uint64
pz_rows_execute(PzRows *rows)
{
	Datum		arrays[PZ_ROWS_COLUMNS];
	int			lower = 1;
	int			i;

	if (rows->nrows == 0)
		return 0;
	if (rows->plan == NULL)
	{
		Oid			types[PZ_ROWS_COLUMNS];
		SPIPlanPtr	plan;

		for (i = 0; i < rows->ncolumns; i++)
			types[i] = get_array_type(rows->types[i]);
		plan = SPI_prepare(rows->insert, rows->ncolumns, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement of the audit: %s",
				 SPI_result_code_string(SPI_result));	/* cannot happen */
		rows->plan = plan;
	}
	for (i = 0; i < rows->ncolumns; i++)
	{
		int16		len;
		bool		byval;
		char		align;

		get_typlenbyvalalign(rows->types[i], &len, &byval, &align);
		arrays[i] = PointerGetDatum(construct_md_array(rows->values[i], rows->nulls[i], 1,
													   &rows->nrows, &lower, rows->types[i],
													   len, byval, align));
	}
	i = SPI_execute_plan((SPIPlanPtr) rows->plan, arrays, NULL, false, 0);
	if (i < 0)
		elog(ERROR, "could not execute a statement of the audit: %s", SPI_result_code_string(i));	/* cannot happen */
	return SPI_processed;
}
