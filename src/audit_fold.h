/*-------------------------------------------------------------------------
 *
 * audit_fold.h
 *	  What the messages of a batch say, gathered by use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_FOLD_H
#define PZ_AUDIT_FOLD_H

#include "audit_chain.h"
#include "audit_msg.h"
#include "audit_store.h"

/* What the messages of a batch say about one use */
typedef struct PzFoldKey
{
	int64		session_id;
	uint64		use_no;
} PzFoldKey;

typedef struct PzFold
{
	PzFoldKey	key;			/* hash key */
	const PzMsg *intent;		/* INTENT or REFUSED; NULL: in an earlier batch */
	const PzMsg *done;			/* NULL: it goes on */
	uint64		last_seq;
	int64	   *numbers;		/* subjects */
	int			nnumbers;
	int			space;
} PzFold;

/* What is chained with a row of use_rows, besides it */
typedef struct PzUseExtra
{
	const uint8 *note_digest;	/* NULL: no note */
	const int64 *numbers;		/* subjects that are not in chunks */
	int			nnumbers;
} PzUseExtra;

/* audit_fold_subjects.c */
extern PzRows pz_subject_rows;
extern PzRows pz_chunk_rows;
extern void pz_fold_subjects_reset(void);
extern void pz_fold_number(PzFold *fold, int64 number);
extern void pz_fold_sort(PzFold *fold);
extern void pz_fold_key(PzFold *fold, const PzMsgKey *key);
extern void pz_fold_number_keys(void);
extern int	pz_fold_store_subjects(PzFold *fold, int64 usage_id, bool fresh, bool whole, PzUseExtra *extra);

/* audit_dict.c */
extern PzRows pz_template_rows;
extern PzRows pz_note_rows;
extern void pz_dict_reset(void);
extern void pz_dict_forget(void);
extern int64 pz_dict_template(PzChain *chain, const PzMsgIntent *intent);
extern int64 pz_dict_note(PzChain *chain, const PzMsgIntent *intent, const uint8 **digest);

#endif							/* PZ_AUDIT_FOLD_H */
