/*-------------------------------------------------------------------------
 *
 * enforce_frame.h
 *	  Frames of statements from the inside; for enforce_frame*.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_FRAME_H
#define PZ_ENFORCE_FRAME_H

#include "utils/resowner.h"

#include "enforce.h"
#include "enforce_mark.h"

typedef struct AbandonCallback AbandonCallback;

/* A purpose that a statement uses data for: the session's, or that of a view */
typedef struct FramePurpose
{
	int32		bound;			/* as in the marks; PZ_PURPOSE_NONE: the session's */
	bool		known;
	PzPurpose	purpose;		/* a copy: the registry may change while a cursor is open */
	const char *name;			/* as stated; "" if none */
} FramePurpose;

struct PzFrame
{
	dlist_node	node;			/* in frames */
	MemoryContext mcxt;			/* below TopMemoryContext; holds frame and uses */
	QueryDesc  *queryDesc;
	AbandonCallback *abandon;	/* NULL until attached */
	ResourceOwner owner;		/* of the registered snapshot */
	bool		open;			/* purpose checked and intent on record: rows may flow */
	List	   *purposes;		/* FramePurpose */
	bool		adopted;		/* runs for a function of ours, under its purpose */
	PzRunning	running;
	int			nuses;
	struct FrameUse *uses;
};

/* One use of a frame */
typedef struct FrameUse
{
	PzUse	   *use;
	FramePurpose *purpose;
	bool		observed;		/* the relation is only observed: refuses nothing */
	bool		to_the_end;		/* what was noted is exact only if the statement runs to its end */
	List	   *refused_columns;	/* char *: one message per column this purpose may not use */
	uint64		bare;			/* categories of the purpose, by place, whose cells the plan shows unmasked */
} FrameUse;

/* enforce_frame_use.c */
extern FramePurpose *pz_frame_purpose(PzFrame *frame, const PzPlanUse *plan_use, const PzPurpose *adopted);
extern void pz_frame_freeze_use(FrameUse *fu, const PzPlanUse *plan_use, PzFrame *frame);
extern void pz_frame_make_checks(PzFrame *frame, const FrameUse *fu, const PzPlanUse *plan_use, bool may_use);

#endif							/* PZ_ENFORCE_FRAME_H */
