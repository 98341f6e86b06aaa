/*-------------------------------------------------------------------------
 *
 * enforce_children.c
 *	  Partitions and inheritance children: which may come and go.
 *
 * A relation is protected by itself or through exactly one ancestor.  What
 * would bring it below a second one, or below a parent through which its rows
 * could not be filtered, is refused here, before the command; the SQL half
 * (sql/code/27_children.sql) protects what has come, after it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "utils/lsyscache.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"

/*
 * Is the relation that a command names protected, a child of one, or an
 * ancestor of one?  For an index, its table counts.
 */
bool
pz_ddl_names_protected(RangeVar *rv)
{
	Oid			relid = rv ? RangeVarGetRelid(rv, NoLock, true) : InvalidOid;
	Oid			table;
	ListCell   *lc;

	if (!OidIsValid(relid))
		return false;
	table = IndexGetRelation(relid, true);
	if (OidIsValid(table))
		relid = table;
	pz_table_settle(relid);
	if (pz_registry_guards(relid))
		return true;
	if (!has_subclass(relid))
		return false;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (pz_registry_guards(lfirst_oid(lc)))
			return true;
	return false;
}

/* Is one of the relations that a command names as parents protected, or a parent of one that is? */
bool
pz_ddl_any_parent_protected(List *parents)
{
	ListCell   *lc;

	foreach(lc, parents)
		if (pz_ddl_names_protected(lfirst_node(RangeVar, lc)))
			return true;
	return false;
}

/* What protects the relation that a command names; NULL if nothing does. */
static const PzRelation *
protection_of(RangeVar *rv)
{
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);

	return OidIsValid(relid) && pz_registry_guards(relid) ? pz_registry_relation(relid) : NULL;
}

/* A relation would be the child of a protected relation and of another: ERROR 42501. */
static void
refuse_two_parents(void)
{
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("a relation cannot be the child of a protected relation and of another"),
			 errhint("Its rows could not be filtered through the other.")));
}

/* A relation becomes a child of another: ERROR 42501 if it is protected already. */
static void
check_new_child(RangeVar *child)
{
	Oid			relid = RangeVarGetRelid(child, NoLock, true);

	/* indexes are attached, too */
	if (OidIsValid(relid) && get_rel_relkind(relid) != RELKIND_INDEX &&
		get_rel_relkind(relid) != RELKIND_PARTITIONED_INDEX && pz_ddl_names_protected(child))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot make protected relation \"%s\" a child of another", child->relname),
				 errhint("Have a privacy officer call personalize.unprotect() on it first and, after the command, "
						 "personalize.protect() on its parent if that is not protected.")));
}

/*
 * A relation gets one more parent: ERROR 42501 if that is protected, and the
 * relation has others.
 */
static void
check_second_parent(RangeVar *child, RangeVar *parent)
{
	Oid			relid = RangeVarGetRelid(child, NoLock, true);

	if (OidIsValid(relid) && has_superclass(relid) && protection_of(parent) != NULL)
		refuse_two_parents();
}

/*
 * Check an ALTER TABLE for children that come or go.  ERROR 42501 for a child
 * that is taken from a protected parent, unless may_leave, and for a protected
 * relation that is put under a parent.
 */
void
pz_children_check_alter(AlterTableStmt *stmt, bool may_leave)
{
	const PzRelation *rel = protection_of(stmt->relation);
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		bool		leaves = false;

		switch (cmd->subtype)
		{
			case AT_AttachPartition:
				check_new_child(((PartitionCmd *) cmd->def)->name);
				break;
			case AT_AddInherit:
				check_new_child(stmt->relation);
				check_second_parent(stmt->relation, (RangeVar *) cmd->def);
				break;
			case AT_DetachPartition:
				leaves = rel != NULL;
				if (leaves && may_leave && ((PartitionCmd *) cmd->def)->concurrent)
					ereport(ERROR,
							(errcode(PZ_ERR_REFUSED),
							 errmsg("cannot detach a partition of a protected relation concurrently"),
							 errhint("Leave out CONCURRENTLY: between its two transactions the partition would be open.")));
				break;
			case AT_DropInherit:
				/* what is protected by itself may leave a parent that is not */
				leaves = rel != NULL && rel->root != rel->relid;
				break;
			default:
				break;
		}
		if (leaves && !may_leave)
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot take a child away from a protected relation"),
					 errhint("Have a privacy officer call personalize.open_maintenance() on it; "
							 "the child then becomes a protected relation of its own.")));
	}
}

/*
 * Check a CREATE TABLE with parents: all of them must be protected by way of
 * one relation, or none.  ERROR 42501 otherwise.
 */
void
pz_children_check_create(CreateStmt *stmt)
{
	ListCell   *lc;
	Oid			first = InvalidOid;
	int			n = 0;

	foreach(lc, stmt->inhRelations)
	{
		const PzRelation *rel = protection_of(lfirst_node(RangeVar, lc));
		Oid			root = rel ? rel->root : InvalidOid;

		if (n++ == 0)
			first = root;
		else if (root != first)
			refuse_two_parents();
	}
}
