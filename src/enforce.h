/*-------------------------------------------------------------------------
 *
 * enforce.h
 *	  The filter: quals in the query, checks of the plan, frames at run time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_H
#define PZ_ENFORCE_H

#include "catalog/objectaccess.h"
#include "catalog/pg_type.h"
#include "executor/execdesc.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "rewrite/rowsecurity.h"
#include "tcop/utility.h"

#include "purpose.h"
#include "utils/snapshot.h"
#include "pz.h"

typedef struct PzFrame PzFrame;

/* enforce_query.c */
extern Query *pz_enforce_query(Query *query, const char *query_string, bool cursor, ParamListInfo params);
extern bool pz_enforce_is_our_policy(const RowSecurityPolicy *policy);
extern bool pz_enforce_needs_fmgr(Oid funcid);

/* enforce_ri.c */

/* What ALTER TABLE runs innermost */
typedef enum PzAltering
{
	PZ_ALTERS_NOTHING,
	PZ_ALTERS_MORE,				/* something else than, or besides, foreign keys */
	PZ_ALTERS_FOREIGN_KEYS		/* see pz_utility_asks_references() */
} PzAltering;

/* What is under way that could feign referential integrity */
typedef struct PzRiState
{
	int			depth;			/* of triggers, where it was entered */
	PzAltering	altering;
} PzRiState;

extern PzRiState pz_ri_enter(void);
extern void pz_ri_leave(PzRiState before);
extern bool pz_ri_is_idle(void);
extern void pz_ri_end_transaction(void);
extern bool pz_ri_context_clear(void);
extern void pz_ri_context_restore(bool cleared);
extern PzAltering pz_enforce_altering(PzAltering altering);
extern bool pz_enforce_adds_foreign_key(void);
/* enforce_within.c */
typedef struct PzWithin
{
	Oid			role;			/* as whom PostgreSQL runs a statement; InvalidOid: as always */
	struct PzWithin *outer;
} PzWithin;

extern void pz_within_enter(PzWithin *entry);
extern void pz_within_leave(PzWithin *entry);
extern void pz_within_end_transaction(void);
extern bool pz_within_is_switched(void);
extern void pz_within_note(void);
extern void pz_within_command(void);
extern Oid	pz_within_without(int32 purpose_id, bool copies);
extern bool pz_within_has_duty(const char *duty);

extern bool pz_enforce_may_be_ri(const char *query_string);
extern bool pz_enforce_checks_beside(const char *query_string);
extern bool pz_enforce_is_ri_query(Query *query, const char *query_string);

/* enforce_plan.c */

/* What a plan does to protected relations: one for each relation and purpose */
typedef struct PzPlanUse
{
	const PzRelation *rel;		/* the registered relation */
	int32		purpose_id;		/* PZ_PURPOSE_NONE: the one the session states */
	List	   *masked;			/* int: categories whose cells the plan masks */
	List	   *paths;			/* int: path ids of the checks in the plan */
	Bitmapset  *columns;		/* attnum - FirstLowInvalidHeapAttributeNumber, of rel, named by the query */
	bool		whole_row;
	bool		unmapped;		/* names a column that only a child has */
	int			noting;			/* PzNoting, the weakest of its checks */
	bool		is_noted;		/* noting is set */
	bool		tapped;			/* some checks leave it to taps */
} PzPlanUse;

extern Expr *pz_plan_check_key(Scan *scan, int32 path_id, int32 bound_purpose);
extern AttrNumber pz_plan_check_column(Scan *scan, int32 path_id, int32 bound_purpose);
extern List *pz_plan_inspect(PlannedStmt *pstmt, bool may_be_ri);
extern bool pz_plan_copies(QueryDesc *queryDesc);
extern List *pz_plan_copy_targets(QueryDesc *queryDesc);
extern bool pz_plan_mixes(struct ModifyTable *node, PlannedStmt *pstmt, Oid target, bool given);
extern void pz_plan_check_append_only(PlannedStmt *pstmt);

/* enforce_frame.c */
extern PzFrame *pz_frame_start(QueryDesc *queryDesc, List *plan_uses);
extern void pz_frame_attach(PzFrame *frame, QueryDesc *queryDesc);
extern PzFrame *pz_frame_find(QueryDesc *queryDesc);
extern PzFrame *pz_frame_current(void);
extern PzFrame *pz_frame_push(PzFrame *frame);
extern void pz_frame_pop(PzFrame *previous);
extern const PzRefusal *pz_frame_check(PzFrame *frame, int i, bool copies);
extern bool pz_frame_observes(const PzFrame *frame, int i);
extern bool pz_frame_is_open(const PzFrame *frame);
extern void pz_frame_open(PzFrame *frame);
extern int	pz_frame_nuses(const PzFrame *frame);
extern PzUse *pz_frame_use(const PzFrame *frame, int i);
extern void pz_frame_run_end(PzFrame *frame, bool completed);
extern void pz_frame_finish_end(PzFrame *frame);
extern void pz_frame_note_all(PzFrame *frame);
extern void pz_frame_note_rows(void);
extern void pz_frame_fill_who(PzUse *use);

/* enforce_refuse.c */
extern void pz_refuse_init(void (*refused) (PzUse *use, const char *reason));
extern void pz_refuse_command(const PzRelation *rel, const char *reason);

/* enforce_frame.c, enforce_check.c */
extern void pz_frame_free(PzFrame *frame);
extern void pz_frame_end_transaction(void);
extern void pz_frame_init(void (*abandoned) (PzFrame *frame));
extern void pz_enforce_adopt_purpose(int32 purpose_id, const char *query_string, bool lazily);
extern bool pz_frame_adopts(const Query *query, const char *query_string);
extern void pz_enforce_adopt_text(const char *source, int location, int len);
extern void pz_enforce_unlock_ledger(bool unlock);
extern bool pz_enforce_ledger_unlocked(void);

/* enforce_check.c: what a statement remembers of subjects */
typedef struct PzCheck PzCheck;
typedef struct PzGroup PzGroup;

/* A key as a check keeps it: where the bytes are is the same for the same key */
typedef struct PzMemoKey
{
	const char *bytes;			/* as stored in the row */
	uint32		len;
} PzMemoKey;

/* A whole number as key, whatever the width of its column. */
static inline int64
pz_key_number(Datum key, Oid type)
{
	return type == INT2OID ? DatumGetInt16(key) : type == INT4OID ? DatumGetInt32(key) : DatumGetInt64(key);
}

/* Are values of a type keys of that kind as they stand in a row? */
static inline bool
pz_key_is_plain(Oid type, PzKeyType key_type)
{
	switch (key_type)
	{
		case PZ_KEY_INT:
			return type == INT2OID || type == INT4OID || type == INT8OID;
		case PZ_KEY_UUID:
			return type == UUIDOID;
		case PZ_KEY_TEXT:
			return type == TEXTOID || type == VARCHAROID;
		case PZ_KEY_UNSET:
			break;
	}
	return false;
}

/* What a check needs to know; see PzCheck for the fields */
typedef struct PzCheckSpec
{
	const PzPath *path;
	int32		bound_purpose;	/* as in the marks: PZ_PURPOSE_NONE: the session's */
	const PzPurpose *purpose;	/* NULL: there is none that may be used; only where observed */
	uint64		bare;			/* categories of the purpose whose cells are not masked but used */
	bool		null_visible;	/* rows without a subject pass */
	bool		counts_rows;	/* first path of its use: rows are counted once */
	bool		observed;		/* everything passes, what would not is counted */
	PzUse	   *use;
} PzCheckSpec;

extern PzCheck *pz_check_create(MemoryContext mcxt, const PzCheckSpec *spec);
extern const PzPath *pz_check_path(const PzCheck *check);
extern int32 pz_check_bound_purpose(const PzCheck *check);
extern int	pz_check_place(const PzCheck *check, int32 category_id);
extern void pz_check_capture(PzCheck *check);
extern void pz_check_note_all(PzCheck *check);
extern void pz_check_note_rows(PzCheck *check);
extern void pz_check_widen(PzCheck *check);
extern void pz_check_passed(PzCheck *check, Datum key, bool isnull, Oid keytype);
extern void pz_check_passed_last(PzCheck *check, Datum key, bool isnull, Oid keytype);

/* what checks need of the frame that is running; NULL: nothing may be read */
typedef struct PzRunning
{
	uint64		serial;			/* of the frame */
	Snapshot	snapshot;
	TimestampTz clock;
	MemoryContext scratch;		/* reset after each decision */
	MemoryContext mcxt;			/* lives as long as the frame */
	int			nchecks;
	PzCheck   **checks;
	bool		tapped;			/* some checks leave it to taps to note whom they see */
	bool		told;			/* something was told to the client on the way: checks note */
	int			inside;			/* how many tapped nodes compute a row */
	struct PzWay *ways;			/* enforce_path.c */
	bool		looks_again;	/* the statement locks or writes rows, and may meet newer ones */
	uint64		ngroups;		/* enforce_group.c */
	uint64		group_space;
	PzGroup    *groups;
	uint64		group_bytes;	/* memory that groups take */
	bool		groups_full;	/* no more: whoever was in a group is noted */
} PzRunning;

extern PzRunning *pz_frame_running(void);
extern PzCheck *pz_check_find(const PzRunning *running, int32 path_id, int32 bound_purpose);
extern void pz_check_open(PzCheck *check, const PzRunning *running);
extern bool pz_check_row(PzCheck *check, PzRunning *running, Datum key, bool isnull, Oid keytype, bool notes);
extern bool pz_check_has_set(const PzCheck *check);
struct PzRowKeys;
extern bool pz_check_asks_pages(const PzCheck *check);
extern int	pz_check_ask_page(PzCheck *check, const struct PzRowKeys *keys, int n, uint16 *rows, uint32 *nos);
extern const struct PzNumbers *pz_check_numbers(const PzCheck *check);
extern PzUse *pz_check_use(const PzCheck *check);
extern bool pz_check_counts_rows(const PzCheck *check);
extern void pz_check_passes_number(PzCheck *check, uint32 no, bool notes);
extern void pz_check_see_number(PzCheck *check, uint32 no);
extern bool pz_check_find_key(PzCheck *check, PzRunning *running, Datum key, PzMemoKey *found);
extern void pz_check_note_key(PzCheck *check, const PzMemoKey *key);
extern bool pz_check_cell(PzCheck *check, PzRunning *running, int place, Datum key, bool isnull);

/* enforce_capture.c */
extern void pz_capture_install(QueryDesc *queryDesc, PzRunning *running);

/* enforce_scan.c */
extern void pz_scan_install(QueryDesc *queryDesc, PzRunning *running);
extern bool pz_scan_notes(PlanState *node, PzCheck *check);

/* enforce_tap.c */
extern char *pz_tap_column_name(int32 path_id, int32 purpose_id, bool is_group);
extern void pz_tap_install(QueryDesc *queryDesc, PzRunning *running);

/* enforce_group.c */
extern int64 pz_check_group_add(PzRunning *running, int64 number, PzCheck *check, Datum key);
extern int64 pz_check_group_merge(PzRunning *running, int64 number, int64 other);
extern void pz_check_note_group(PzRunning *running, int64 number);

/* enforce_utility.c */
extern bool pz_utility_copy(PlannedStmt **pstmt, const char *queryString, QueryCompletion *qc);
extern void pz_utility_check_truncate(TruncateStmt *stmt);
extern const char *pz_utility_exclusive_database(Node *parsetree);
extern bool pz_utility_only_foreign_keys(Node *parsetree);
extern bool pz_utility_asks_references(Node *parsetree);
extern PzAltering pz_utility_altering(Node *parsetree);
extern bool pz_utility_changes_registry(Node *parsetree);
extern bool pz_utility_changes_policies(Node *parsetree);

/* enforce_drop.c */
typedef struct PzDropping
{
	int			from;			/* number of relations noted before the command */
	bool		dropped;		/* the command around it has dropped the extension */
} PzDropping;

extern void pz_drop_enter(PzDropping *outer);
extern void pz_drop_leave(const PzDropping *outer);
extern void pz_drop_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId);

/* enforce_statistics.c */
extern bool pz_enforce_sees_all(void);
extern bool pz_enforce_holds_protected(Oid relid);
extern bool pz_statistics_catalog(Oid relid);
extern bool pz_statistics_is_check(Oid funcid);
extern void pz_statistics_guard(Query *query);
extern void pz_statistics_check_plan(QueryDesc *queryDesc);

/* enforce_call.c */
extern void pz_call_refuse_direct(void);

/* enforce_conflict.c */
extern void pz_conflict_check(Oid relid, bool on_conflict);
extern void pz_conflict_start(PlannedStmt *pstmt);

/* enforce_keep.c */
extern void pz_keep_start(QueryDesc *queryDesc);

/* enforce_nearest.c */
struct RelOptInfo;
extern void pz_nearest_hide(Oid relid, struct RelOptInfo *rel);

/* enforce_spatial.c */
extern bool pz_spatial_tells_all(Oid funcid);
extern void pz_spatial_check_call(const FmgrInfo *flinfo);

/* enforce_order.c */
extern bool pz_order_is_quiet_function(Oid funcid);
extern bool pz_order_lacks_collation(List *args, Oid collation);
extern void pz_order_plan(PlannedStmt *pstmt);

/* enforce_quote.c */
extern bool pz_quote_may(const ErrorData *edata, bool by_code);

/* enforce_explain.c */
extern bool pz_explain_enter(Node *parsetree);
extern void pz_explain_leave(bool before);
extern bool pz_explain_start(QueryDesc *queryDesc);
extern void pz_explain_started(QueryDesc *queryDesc);
extern void pz_explain_finished(QueryDesc *queryDesc);
extern bool pz_explain_runs(void);
extern void pz_explain_planned(PlannedStmt *pstmt, const BufferUsage *before);
extern void pz_explain_check_print(PlannedStmt *pstmt);
extern void pz_explain_used(void);
extern void pz_explain_forget(void);
extern void pz_explain_message(ErrorData *edata);

/* enforce_explain_option.c */
extern void pz_explain_option_init(void);

/* enforce_detail.c */
typedef struct PzDetail
{
	bool		hides_values;	/* the running statement writes to what it may not see */
	ErrorContextCallback *context;	/* of that statement: above it code of users runs */
} PzDetail;

extern void pz_detail_watch(void);
extern void pz_detail_note(PlannedStmt *pstmt);
extern PzDetail pz_detail_enter(QueryDesc *queryDesc, const PzFrame *frame);
extern void pz_detail_leave(PzDetail before);
extern bool pz_detail_is_idle(void);
extern void pz_detail_end_transaction(void);

/* enforce_table.c */
extern bool pz_table_empty(Oid relid);
extern List *pz_table_truncated(TruncateStmt *stmt);
extern void pz_table_check_truncate(TruncateStmt *stmt);
extern void pz_table_settle(Oid relid);
extern void pz_table_check_trigger(CreateTrigStmt *stmt);

/* enforce_copies.c */

/* A command that fills a relation with what a query returns */
typedef struct PzFilling
{
	bool		runs;			/* false: there is none */
	bool		nested;			/* another command runs within it */
	Oid			target;			/* InvalidOid: not made yet */
	List	   *pending;		/* protected relations that were read, also by those around it */
	int			first;			/* the first in pending that this command read */
} PzFilling;

extern void pz_copies_note(PzUse *use, QueryDesc *queryDesc);
extern bool pz_copies_filling(void);
extern PzFilling pz_copies_enter(Node *parsetree);
extern void pz_copies_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId);
extern void pz_copies_leave(PzFilling outer);
extern void pz_copies_end(PzFilling outer);
extern void pz_copies_forget(void);

/* enforce_ddl.c */
extern void pz_ddl_enter(Node *parsetree, bool maintenance);
extern void pz_ddl_leave(bool before);
extern void pz_ddl_fail(bool before);
extern bool pz_ddl_may_quote(const ErrorData *edata);
extern void pz_ddl_check_query(void);
extern bool pz_ddl_blocks(void);

/* enforce_children.c */
extern bool pz_ddl_names_protected(RangeVar *rv);
extern bool pz_ddl_any_parent_protected(List *parents);

extern void pz_children_check_alter(AlterTableStmt *stmt, bool may_leave);
extern void pz_children_check_create(CreateStmt *stmt);

/* enforce_depend.c */
extern bool pz_depend_upkeep_calls_users(void);
extern bool pz_depend_compares_by_code(Relation index);
extern bool pz_depend_index_calls_code(Relation index);
extern bool pz_depend_constraints_run_queries(Relation rel);
extern void pz_depend_index_trees(Oid indexid, Node **expressions, Node **predicate);
extern bool pz_depend_type_calls_users(Oid type);
extern void pz_depend_watch_ranges(void);
extern bool pz_depend_holds_domain(List *name);
extern bool pz_depend_domain_of_others(List *name);

/* enforce_maintain.c */
extern bool pz_maintain_begin(PlannedStmt *pstmt, const char *query_string);

/* enforce_policy.c */
extern void pz_policy_check_command(Node *parsetree);
extern void pz_policy_check_contents(AlterTableStmt *stmt);

/* enforce_hard.c */
#define PZ_HARD_AM	"personalize_heap"

extern bool pz_hard_command(bool before);
extern void pz_hard_check_upgrade(Oid relid);
extern void pz_hard_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId);
extern void pz_hard_check_alter(AlterTableStmt *stmt);

/* enforce_code.c */
extern int	pz_code_planning(int change);
extern bool pz_code_watches(Oid funcid);
extern void pz_code_begins(Oid funcid);
extern void pz_code_ends(void);
extern bool pz_code_in_event(bool running);
extern bool pz_code_is_event(void);
extern bool pz_code_folding(void);
extern void pz_code_end_transaction(void);

#endif							/* PZ_ENFORCE_H */
