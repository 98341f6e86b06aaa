/*-------------------------------------------------------------------------
 *
 * consent_set.h
 *	  The consent set: what the ledger says, in shared memory.
 *
 * See consent_set.c for the rules that keep it exact.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_CONSENT_SET_H
#define PZ_CONSENT_SET_H

#include "access/htup.h"
#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/objectaccess.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"

#include "consent.h"
#include "shmem.h"

/* Ask for memory that will be read soon. */
#if defined(__GNUC__) || defined(__clang__)
#define PZ_PREFETCH(p)	__builtin_prefetch(p)
#else
#define PZ_PREFETCH(p)	((void) 0)
#endif

/* State of the set of a database: PzDatabase.set_state */
typedef enum PzSetState
{
	PZ_SET_NONE = 0,			/* nobody marks, nobody reads */
	PZ_SET_LOADING,				/* writers mark, nobody reads */
	PZ_SET_READY				/* writers mark, statements read */
} PzSetState;

#define PZ_SET_CHUNK_BITS	16	/* numbers of one chunk of bits: 65,536, 8 kB */
#define PZ_SET_CHUNK		(1 << PZ_SET_CHUNK_BITS)
#define PZ_SET_CHUNKS_MAX	(PG_UINT32_MAX / PZ_SET_CHUNK - 1)
#define PZ_SET_MARKS		1024	/* numbers of one chunk of marks: 4 kB */
#define PZ_SET_KINDS		32	/* kinds of subjects in a set */
#define PZ_SET_PLANES		256 /* purposes in a set */
#define PZ_SET_LEVELS		16	/* tables of a dictionary that has grown */
#define PZ_SET_NO_ASK		PG_UINT32_MAX	/* in place of a number: ask the ledger */
#define PZ_SET_KEY_LEN		16	/* bytes of a key in a dictionary */

#define PZ_SET_END_AHEAD_MS	60000	/* consents that end within are marked ahead */
#define PZ_SET_NO_MEMORY	"there is no memory left; see personalize.consent_memory"

#define PZ_DICT_PAGE	65536	/* keys of one page of a dictionary */

/* Marks of numbers: the newest transaction that changed what was said */
#define PZ_MARK_NONE		InvalidTransactionId
#define PZ_MARK_EXPIRES		BootstrapTransactionId	/* none, but some consent runs out soon */

/* Bits by number: addresses of chunks of uint64, 0 where there is none yet */
typedef dsa_pointer PzSetBits;	/* to pg_atomic_uint64[nchunks] */

typedef struct PzSetMarks
{
	pg_atomic_uint32 n;			/* numbers that are marked; a lower bound while one is being marked */
	TransactionId xid[PZ_SET_MARKS];	/* lock of the chunk */
} PzSetMarks;

/* A line of the cache: three keys of 16 bytes with their numbers */
typedef struct PzSetLine
{
	pg_atomic_uint32 no[3];		/* 0: of nobody */
	pg_atomic_uint32 used;		/* keys that are there, never fewer */
	uint8		key[3][PZ_SET_KEY_LEN];
} PzSetLine;

/* The dictionary of one kind of subjects */
typedef struct PzSetKind
{
	int32		kind_id;
	PzKeyType	key_type;

	/* whole numbers from 0 that lie close together: pages of 65,536 uint32 */
	dsa_pointer directory;		/* to pg_atomic_uint64[65536]; PZ_KEY_INT only */
	uint32		npages;			/* lock of the dictionaries */
	uint64		ndirect;		/* lock; keys in pages */
	pg_atomic_uint64 others_from;	/* int64: no whole number outside of these is in the tables */
	pg_atomic_uint64 others_to;

	/* all others: tables, the newest last */
	pg_atomic_uint32 nlevels;
	dsa_pointer level[PZ_SET_LEVELS];	/* to PzSetLine[] */
	uint32		mask[PZ_SET_LEVELS];	/* lines - 1 */
	uint64		nkeys[PZ_SET_LEVELS];	/* lock */
} PzSetKind;

/* What the set says for one purpose */
typedef struct PzSetPlane
{
	int32		purpose_id;
	TransactionId since;		/* holds for snapshots that see this one as over */
	dsa_pointer signature;		/* what the registry said of the purpose */
	uint32		signature_len;
	int			ncategories;	/* that have bits of their own */
	int32		category[64];
	PzSetBits	row;
	PzSetBits	cells[64];
} PzSetPlane;

typedef struct PzSet
{
	Oid			dbid;			/* whose it is */
	uint64		seed[2];		/* secret key of the hash */
	TransactionId since;		/* the dictionaries hold for snapshots that see this one as over */
	uint32		nchunks;		/* room for nchunks * PZ_SET_CHUNK numbers */
	pg_atomic_uint64 bytes;		/* allocated */
	pg_atomic_uint64 npending;	/* marks */
	pg_atomic_uint32 outgrown;	/* there are persons it has no room for, or soon will be */
	pg_atomic_uint64 announced; /* TimestampTz: a consent that ends before stays marked */
	pg_atomic_uint64 horizon;	/* TimestampTz: every consent that ends before is marked */
	int			nkinds;
	PzSetKind	kinds[PZ_SET_KINDS];
	PzSetBits	slow;			/* ask the ledger */
	dsa_pointer marks;			/* to pg_atomic_uint64[nchunks * PZ_SET_CHUNK / PZ_SET_MARKS] of PzSetMarks */
	pg_atomic_uint64 planes[PZ_SET_PLANES]; /* addresses of PzSetPlane; 0: none */
} PzSet;

#define PZ_VIEW_CACHE	64		/* addresses kept by a view, at first; a power of two */
#define PZ_VIEW_CACHE_MOST	16384	/* at most: for a thousand million persons */

/* Where a page of a dictionary, or the chunks of a range of numbers, are in this process */
typedef struct PzViewPage
{
	uint32		page;			/* number of the page + 1; 0: none */
	pg_atomic_uint32 *no;
} PzViewPage;

typedef struct PzViewChunk
{
	uint32		chunk;			/* number of the chunk + 1; 0: none */
	pg_atomic_uint64 *slow;		/* NULL: not looked for yet */
	pg_atomic_uint64 *row;		/* NULL: nobody is permitted */
} PzViewChunk;

/* The set as one check of one statement sees it */
typedef struct PzSetView
{
	PzSet	   *set;			/* NULL: ask the ledger always */
	dsa_area   *area;
	const PzSetKind *kind;
	const PzSetPlane *plane;	/* NULL: a built-in purpose, everything is permitted */
	pg_atomic_uint64 *slow;
	pg_atomic_uint64 *row;
	bool		none_is_no;		/* who never said anything is not permitted */
	uint64		shared;			/* categories, by place, that go with the row */
	int			nplaces;		/* with bits of their own */
	int			place[64];
	pg_atomic_uint64 *cells[64];
	MemoryContext mcxt;			/* for more addresses; NULL: no more than at first */
	uint32		mask;			/* of the place of an address */
	uint32		replaced;		/* how often an address had to go since there is room for so many */
	PzViewPage *pages;
	PzViewChunk *chunks;
	PzViewPage	first_pages[PZ_VIEW_CACHE];
	PzViewChunk first_chunks[PZ_VIEW_CACHE];
} PzSetView;

typedef enum PzSetAnswer
{
	PZ_SET_ASK = 0,				/* the ledger must be asked */
	PZ_SET_NO,
	PZ_SET_YES
} PzSetAnswer;

/* A key as it stands in a row, not a whole number */
typedef struct PzRowKey
{
	const char *bytes;			/* NULL: the row has none, or ask the ledger */
	uint32		len;
} PzRowKey;

/* The keys of the rows of a page */
typedef struct PzRowKeys
{
	bool		has_nulls;		/* some are in nulls; only for whole numbers */
	union
	{
		struct
		{
			int64		numbers[MaxHeapTuplesPerPage];
			bool		nulls[MaxHeapTuplesPerPage];
		};
		PzRowKey	keys[MaxHeapTuplesPerPage];
	};
} PzRowKeys;

/* consent_set.c */
extern dsa_area *pz_set_area(PzDatabase *db, bool create);
extern PzSet *pz_set_current(PzDatabase *db, dsa_area **area);
extern dsa_pointer pz_set_allocate(PzSet *set, dsa_area *area, Size size);
extern void pz_set_free_bits(dsa_area *area, PzSet *set, PzSetBits bits);
extern pg_atomic_uint64 *pz_set_chunk(PzSet *set, dsa_area *area, PzSetBits bits, uint32 no, bool create);
extern bool pz_set_put_bit(PzSet *set, dsa_area *area, PzSetBits bits, uint32 no, bool value);
extern void pz_set_break(PzDatabase *db, const char *why);
extern StringInfo pz_set_signature(const PzPurpose *purpose);
extern void pz_set_view(PzSetView *view, const PzPurpose *purpose, int32 kind_id, PzKeyType key_type,
						Snapshot snapshot, TimestampTz clock);
extern uint32 pz_set_number(PzSetView *view, const char *key, uint32 len);
extern PzViewChunk *pz_set_find_chunk(PzSetView *view, uint32 no);
extern PzSetAnswer pz_set_look_up(PzSetView *view, const char *key, uint32 len, uint32 *no, uint64 *cells);

/* consent_batch.c */
extern int	pz_set_look_up_rows(PzSetView *view, const PzRowKeys *keys, int n, uint16 *rows, uint32 *nos);

/* consent_plane.c */

/* The bits of one number for one purpose */
typedef struct PzPlaneBits
{
	bool		row;
	bool		uneven;			/* not all the cells without bits go with the row */
	uint64		cells;			/* by place in PzSetPlane.category */
} PzPlaneBits;

extern PzSetBits pz_plane_make_bits(PzSet *set, dsa_area *area);
extern dsa_pointer pz_plane_make(PzSet *set, dsa_area *area, const PzPurpose *purpose);
extern void pz_plane_free(PzSet *set, dsa_area *area, dsa_pointer p);
extern bool pz_plane_is_current(dsa_area *area, const PzSetPlane *plane, const PzPurpose *purpose);
extern PzPlaneBits pz_plane_bits(const PzSetPlane *plane, const PzPurpose *purpose, const PzDecision *decision);
extern bool pz_plane_put(PzSet *set, dsa_area *area, PzSetPlane *plane, uint32 no, const PzPlaneBits *bits);

/* consent_dict.c */

/* How many keys a dictionary will have, before it is made */
typedef struct PzDictPlan
{
	uint64		nkeys;
	uint32	   *pages;			/* how many of them by page; NULL: none */
} PzDictPlan;

extern PzSetKind *pz_dict_find_kind(PzSet *set, int32 kind_id);
extern bool pz_dict_key(const PzSet *set, PzKeyType key_type, const char *text, size_t len, uint8 key[PZ_SET_KEY_LEN]);
extern bool pz_dict_put(PzDatabase *db, PzSet *set, dsa_area *area, PzSetKind *kind,
						const uint8 key[PZ_SET_KEY_LEN], uint32 no);
extern void pz_dict_expect(PzDictPlan *plan, PzKeyType key_type, const uint8 key[PZ_SET_KEY_LEN]);
extern bool pz_dict_prepare(PzSet *set, dsa_area *area, PzSetKind *kind, PzDictPlan *plan);
extern void pz_dict_free(dsa_area *area, PzSetKind *kind);
extern pg_atomic_uint32 *pz_dict_page(dsa_area *area, const PzSetKind *kind, int64 number);
extern uint32 pz_dict_get(const PzSet *set, dsa_area *area, const PzSetKind *kind, const char *key, uint32 len);

/* consent_hash.c */
extern void pz_hash_128(const uint64 key[2], const void *data, size_t len, uint8 out[16]);

/* consent_mark.c */
extern bool pz_mark_number(PzDatabase *db, PzSet *set, dsa_area *area, uint32 no, TransactionId xid);
extern uint32 pz_mark_number_of(HeapTuple tup, TupleDesc desc, int attnum);
extern bool pz_mark_key(PzDatabase *db, PzSet *set, dsa_area *area, HeapTuple tup, TupleDesc desc, uint32 no);
extern void pz_set_object_access(ObjectAccessType access, Oid classId, Oid objectId);

/* consent_load.c */
extern bool pz_set_load(PzDatabase *db, dsa_area *area);
extern bool pz_set_load_planes(PzDatabase *db, PzSet *set, dsa_area *area, List *purposes);
extern void pz_set_free(PzDatabase *db, dsa_area *area);

extern List *pz_set_purposes(void);
extern bool pz_set_is_watched(void);

/* consent_worker.c */
extern void pz_consent_request_worker(PzDatabase *db);
extern PGDLLEXPORT void pz_consent_worker_main(Datum arg);

/* consent_fold.c */
extern void pz_set_fold(PzDatabase *db, PzSet *set, dsa_area *area, bool ended);
extern bool pz_set_advance(PzDatabase *db, PzSet *set, dsa_area *area);

/* What the set says for a purpose, by place; NULL: nothing stands there. */
static inline PzSetPlane *
pz_set_plane(PzSet *set, dsa_area *area, int i)
{
	dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(&set->planes[i]);

	return DsaPointerIsValid(p) ? dsa_get_address(area, p) : NULL;
}

/* The number of a person as the set has it; PZ_SET_NO_ASK: it is out of range, and so not in the set. */
static inline uint32
pz_set_subject_no(int64 no)
{
	return no > 0 && no < (int64) PZ_SET_NO_ASK ? (uint32) no : PZ_SET_NO_ASK;
}

/* The lock of the chunk of marks of a number. */
static inline LWLock *
pz_set_mark_lock(PzDatabase *db, uint32 no)
{
	return &db->set_marks[(no / PZ_SET_MARKS) % PZ_SET_MARK_LOCKS];
}

/* Is the bit of a number set in its chunk?  NULL: no. */
static inline bool
pz_set_has_bit(pg_atomic_uint64 *words, uint32 no)
{
	return words && ((pg_atomic_read_u64(&words[(no % PZ_SET_CHUNK) / 64]) >> (no % 64)) & 1) != 0;
}

/* May a whole number be in the tables of a dictionary? */
static inline bool
pz_dict_has_others(const PzSetKind *kind, int64 number)
{
	return pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &kind->nlevels)) > 0 &&
		number >= (int64) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &kind->others_from)) &&
		number <= (int64) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &kind->others_to));
}

/*
 * Where a key of 16 bytes begins to be looked for in the tables.  Keyed: a list of
 * uuids that all meet in one line cannot be chosen.  A text's key is hashed already.
 */
static inline uint32
pz_dict_place(const PzSet *set, PzKeyType key_type, const uint8 key[PZ_SET_KEY_LEN])
{
	uint64		words[2];
	uint64		h;

	memcpy(words, key, sizeof(words));
	if (key_type == PZ_KEY_TEXT)
		return (uint32) words[0];
	/* the multiplications of MurmurHash3's finalizer, each over one half and its seed */
	h = (words[0] ^ set->seed[0]) * UINT64CONST(0xff51afd7ed558ccd);
	h = ((h ^ (h >> 33)) + (words[1] ^ set->seed[1])) * UINT64CONST(0xc4ceb9fe1a85ec53);
	return (uint32) (h ^ (h >> 33));
}

/* The number of a key in a table, NULL if it is not there. */
static inline pg_atomic_uint32 *
pz_dict_find_in(PzSetLine *lines, uint32 mask, uint32 place, const uint8 key[PZ_SET_KEY_LEN])
{
	for (;;)
	{
		PzSetLine  *line = &lines[place & mask];
		uint32		used = pg_atomic_read_u32(&line->used);
		uint32		i;

		pg_read_barrier();
		for (i = 0; i < used; i++)
			if (memcmp(line->key[i], key, PZ_SET_KEY_LEN) == 0)
				return &line->no[i];
		if (used < lengthof(line->no))
			return NULL;
		place++;
	}
}

/* The chunks with the bits of a number; NULL if the set has no room for it. */
static inline PzViewChunk *
pz_set_view_chunk(PzSetView *view, uint32 no)
{
	uint32		c = no >> PZ_SET_CHUNK_BITS;
	PzViewChunk *chunk = &view->chunks[c & view->mask];

	return chunk->chunk == c + 1 && chunk->slow && chunk->row ? chunk : pz_set_find_chunk(view, no);
}

#endif							/* PZ_CONSENT_SET_H */
