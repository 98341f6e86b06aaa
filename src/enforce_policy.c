/*-------------------------------------------------------------------------
 *
 * enforce_policy.c
 *	  Keep the net below the filter: owners may not take down the row security
 *	  that protect() put on their relations.
 *
 * The library filters without it.  But it is what is left when the library is
 * away, and a policy depends on the subject column, so that its type cannot be
 * changed under its values.  Superusers may: they can put it back, and
 * status() tells.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "registry.h"

/* Is this the name of a policy that protect() makes: personalize_net or personalize_<number>? */
static bool
is_our_name(const char *name)
{
	static const char prefix[] = "personalize_";

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	name += strlen(prefix);
	return strcmp(name, "net") == 0 || (name[0] != '\0' && strspn(name, "0123456789") == strlen(name));
}

/* ERROR 42501 if the relation is protected. */
static void
refuse_on_protected(RangeVar *rv)
{
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);

	if (OidIsValid(relid))
		pz_table_settle(relid);
	if (OidIsValid(relid) && pz_registry_guards(relid))
	{
		pz_refuse_command(pz_registry_relation(relid), "change of row security");
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot change the row security that protects relation %s", pz_registry_relation(relid)->name),
				 errhint("A privacy officer can call personalize.unprotect(), which takes it away.")));
	}
}

/* DROP POLICY: each object is the name of a relation and that of the policy. */
static void
check_drop(DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_POLICY)
		return;
	foreach(lc, stmt->objects)
	{
		List	   *name = lfirst(lc);

		if (is_our_name(strVal(llast(name))))
			refuse_on_protected(makeRangeVarFromNameList(list_truncate(list_copy(name), list_length(name) - 1)));
	}
}

/* ALTER TABLE ... DISABLE or NO FORCE ROW LEVEL SECURITY */
static void
check_alter_table(AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableType type = lfirst_node(AlterTableCmd, lc)->subtype;

		if (type == AT_DisableRowSecurity || type == AT_NoForceRowSecurity)
			refuse_on_protected(stmt->relation);
	}
}

/*
 * Refuse commands that take a policy of ours or row security from a protected
 * relation: ERROR 42501, but for superusers.  unprotect() takes the relation
 * out of the registry first.
 */
void
pz_policy_check_command(Node *parsetree)
{
	if (superuser())
		return;
	switch (nodeTag(parsetree))
	{
		case T_AlterPolicyStmt:
			if (is_our_name(((AlterPolicyStmt *) parsetree)->policy_name))
				refuse_on_protected(((AlterPolicyStmt *) parsetree)->table);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) parsetree)->renameType == OBJECT_POLICY &&
				is_our_name(((RenameStmt *) parsetree)->subname))
				refuse_on_protected(((RenameStmt *) parsetree)->relation);
			break;
		case T_DropStmt:
			check_drop((DropStmt *) parsetree);
			break;
		case T_AlterTableStmt:
			check_alter_table((AlterTableStmt *) parsetree);
			break;
		default:
			break;
	}
}

/* Does a raw expression name anything but one column? */
static bool
names_others(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		Node	   *last = llast(((ColumnRef *) node)->fields);

		return !IsA(last, String) || strcmp(strVal(last), context) != 0;
	}
	return raw_expression_tree_walker(node, names_others, context);
}

/* Is a column of a protected relation one that leads to a subject? */
static bool
is_subject(Oid relid, const char *column)
{
	AttrNumber	attnum = get_attnum(relid, column);

	return attnum != InvalidAttrNumber && pz_registry_leads_to_subject(pz_registry_relation(relid), attnum);
}

/*
 * Refuse an ALTER TABLE that fills a column of a protected relation from
 * others, for every row: their values would be shown under its category.
 * ERROR 42501.
 */
void
pz_policy_check_contents(AlterTableStmt *stmt)
{
	Oid			relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	ListCell   *lc;

	if (!OidIsValid(relid) || !pz_ddl_names_protected(stmt->relation))
		return;
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		bool		refused = pz_sets_expression_compat(cmd->subtype);

		if (cmd->subtype == AT_AlterColumnType)
		{
			Node	   *expr = ((ColumnDef *) cmd->def)->raw_default;

			refused = expr != NULL && ((pz_registry_guards(relid) && is_subject(relid, cmd->name)) ||
									   names_others(expr, cmd->name));
		}
		if (refused)
		{
			pz_refuse_command(pz_registry_relation(relid), "column filled from an expression");
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot fill column \"%s\" of a protected relation from an expression", cmd->name),
					 errdetail("Values of other columns would be shown under the category of this one, those of all rows."),
					 errhint("Leave out USING, or name no other column in it; or have a privacy officer call "
							 "personalize.open_maintenance() first, and classify the column anew.")));
		}
	}
}
