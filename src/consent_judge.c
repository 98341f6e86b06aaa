/*-------------------------------------------------------------------------
 *
 * consent_judge.c
 *	  The rules by which what a person said becomes a decision.
 *
 * Who brings what was said: the ledger read by index (consent.c), or all of it
 * in memory (consent_load.c).
 *
 * Rules (docs/reference.md, "How a decision is made"):
 * - state is kept per subject, purpose and category; an event covers the
 *   categories it names, NULL covers all; the newest event that covers a
 *   category decides it;
 * - consent: given and not expired; explicit consent, and special categories
 *   of a purpose without a special basis: given explicitly;
 * - legitimate interest: unless objected, withdrawn or refused;
 * - contract, legal obligation, vital and public interest: yes;
 * - a restriction overlays all of them; an erased key is never permitted;
 * - a purpose without a word of the person asks its parents; a refusal at any
 *   of the nearest parents wins;
 * - a presumption (the law of where the person lives is opt-out) permits where
 *   consent does, but no special category; any word of the person, also to a
 *   parent, takes its place; it is not inherited;
 * - a row is permitted if any category of the purpose is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "consent.h"

/*
 * An event decides a category, with a state and an end (0: none): consent that
 * has ended by the clock is expired.
 */
void
pz_consent_said(const PzQuestion *q, PzCategoryState *c, PzConsentState state, TimestampTz expires_at)
{
	PzDecision *decision = q->decision;

	c->decided = true;
	c->expires_at = expires_at;
	c->state = state;
	if (state != PZ_STATE_GIVEN || expires_at == 0)
		return;
	if (expires_at <= q->clock)
	{
		c->state = PZ_STATE_EXPIRED;
		if (decision && expires_at > decision->last_end)
			decision->last_end = expires_at;
	}
	else if (decision && (decision->first_end == 0 || expires_at < decision->first_end))
		decision->first_end = expires_at;
}

/* Does a state say no? */
static bool
says_no(PzConsentState state)
{
	return state == PZ_STATE_REFUSED || state == PZ_STATE_WITHDRAWN || state == PZ_STATE_OBJECTED;
}

/*
 * What counts among several parents: a no, then an explicit yes, then a yes,
 * then the rest; among equals the newest event.
 */
static int
weight(const PzCategoryState *c)
{
	if (says_no(c->state))
		return 3;
	if (c->state == PZ_STATE_GIVEN)
		return c->is_explicit ? 2 : 1;
	return 0;
}

/* Does it say nothing of a category, or no more than what is presumed or no longer presumed? */
static bool
is_open(const PzCategoryState *c)
{
	return c->decided && !pz_consent_is_word(c->state);
}

/*
 * What the ledger says of each of cats for a purpose: by the person's own
 * events of it, or, where there is no word of the person at all, by its
 * parents': per category the one that weighs most.  What is presumed holds as
 * long as no parent has a word of the person.  The graph has no cycles and no
 * more than PZ_MAX_PARENTS levels (define_purpose sees to that); depth is a guard
 * against a damaged one: what is too far away counts as a no.
 */
static void
ask_purpose(const PzQuestion *q, const PzPurpose *purpose, PzCategoryState *cats, int ncats, int depth)
{
	PzCategoryState *own;
	PzCategoryState *theirs;
	bool		any = q->read(q, purpose->purpose_id, cats, ncats);
	bool		asks = !any;
	int			i;
	int			j;

	for (i = 0; i < ncats; i++)
		asks = asks || is_open(&cats[i]);
	if (!asks || purpose->nparents == 0)
		return;

	/* own: what holds where the parents have no word; of the others they are not asked */
	own = palloc(sizeof(PzCategoryState) * ncats);
	memcpy(own, cats, sizeof(PzCategoryState) * ncats);
	for (i = 0; i < ncats; i++)
		if (is_open(&cats[i]))
			cats[i].decided = false;
	theirs = palloc(sizeof(PzCategoryState) * ncats);
	for (i = 0; i < purpose->nparents; i++)
	{
		const PzPurpose *parent = pz_registry_purpose(purpose->parents[i]);

		if (parent == NULL)
			continue;
		memset(theirs, 0, sizeof(PzCategoryState) * ncats);
		for (j = 0; j < ncats; j++)
			theirs[j].category_id = cats[j].category_id;
		if (depth < PZ_MAX_PARENTS)
			ask_purpose(q, parent, theirs, ncats, depth + 1);
		for (j = 0; j < ncats; j++)
		{
			if (depth >= PZ_MAX_PARENTS)
			{
				theirs[j].decided = true;
				theirs[j].state = PZ_STATE_REFUSED;
				theirs[j].purpose_id = purpose->purpose_id;
			}
			if (!theirs[j].decided || is_open(&theirs[j]) || (any && !is_open(&own[j])))
				continue;
			if (!cats[j].decided || weight(&theirs[j]) > weight(&cats[j]) ||
				(weight(&theirs[j]) == weight(&cats[j]) && theirs[j].event_id > cats[j].event_id))
				cats[j] = theirs[j];
		}
	}
	for (i = 0; i < ncats; i++)
		if (!cats[i].decided && is_open(&own[i]))
			cats[i] = own[i];
	pfree(own);
	pfree(theirs);
}

/*
 * May a category be used, by what the ledger says and the purpose's basis?
 * *needs_explicit: consent is there but would have to be explicit.
 */
static bool
category_permitted(const PzPurpose *purpose, const PzCategoryState *c, bool *needs_explicit)
{
	const PzCategory *category = pz_registry_category(c->category_id);
	bool		special = category && category->special && !purpose->special_basis;

	*needs_explicit = false;
	if (special || purpose->basis == PZ_BASIS_EXPLICIT_CONSENT)
	{
		*needs_explicit = c->state == PZ_STATE_GIVEN && !c->is_explicit;
		return c->state == PZ_STATE_GIVEN && c->is_explicit;
	}
	switch (purpose->basis)
	{
		case PZ_BASIS_CONSENT:
			return c->state == PZ_STATE_GIVEN ||
				(c->state == PZ_STATE_PRESUMED && !(category && category->special));
		case PZ_BASIS_EXPLICIT_CONSENT:
			return c->state == PZ_STATE_GIVEN;
		case PZ_BASIS_LEGITIMATE_INTEREST:
			return !says_no(c->state);
		case PZ_BASIS_CONTRACT:
		case PZ_BASIS_LEGAL_OBLIGATION:
		case PZ_BASIS_VITAL_INTEREST:
		case PZ_BASIS_PUBLIC_INTEREST:
			return true;
	}
	return false;
}

/* Say in decision which event decided. */
static void
cite(PzDecision *decision, const PzCategoryState *c, const PzPurpose *purpose)
{
	decision->state = c->state;
	decision->event_id = c->event_id;
	decision->recorded_at = c->recorded_at;
	decision->expires_at = c->expires_at;
	decision->is_explicit = c->is_explicit;
	decision->inherited_from = (c->decided && purpose && c->purpose_id != purpose->purpose_id) ? c->purpose_id : 0;
}

/*
 * Is processing of the person's data restricted?  Then the decision says so.
 */
static bool
is_restricted(const PzQuestion *q, PzDecision *decision)
{
	PzCategoryState c = {0};

	c.category_id = PZ_CATEGORY_ROW;
	if (!q->read(q, PZ_PURPOSE_NONE, &c, 1) || c.state != PZ_STATE_RESTRICTED)
		return false;
	cite(decision, &c, NULL);
	return true;
}

/*
 * Decide for a person with a number (0: none) who was not erased.  Fills in what
 * follows from what was said; decision is zeroed by the caller.
 */
void
pz_consent_judge(const PzQuestion *q, const PzPurpose *purpose, bool want_categories, PzDecision *decision)
{
	PzCategoryState *cats;
	const PzCategoryState *best = NULL;
	int			ncats;
	int			i;

	if (q->subject_no != 0 && is_restricted(q, decision))
		return;

	ncats = Max(purpose->ncategories, 1);
	cats = palloc0(sizeof(PzCategoryState) * ncats);
	for (i = 0; i < ncats; i++)
		cats[i].category_id = purpose->ncategories > 0 ? purpose->categories[i] : PZ_CATEGORY_ROW;
	if (q->subject_no != 0)
		ask_purpose(q, purpose, cats, ncats, 0);

	if (want_categories)
		decision->categories = palloc(sizeof(int32) * ncats);
	for (i = 0; i < ncats; i++)
	{
		bool		needs_explicit;
		bool		ok = category_permitted(purpose, &cats[i], &needs_explicit);

		decision->needs_explicit = decision->needs_explicit || needs_explicit;
		if (ok && want_categories && cats[i].category_id != PZ_CATEGORY_ROW)
			decision->categories[decision->ncategories++] = cats[i].category_id;

		/* cite a category that is permitted, among them the newest event */
		if (best == NULL || (ok && !decision->permitted) ||
			(ok == decision->permitted && cats[i].event_id > best->event_id))
			best = &cats[i];
		decision->permitted = decision->permitted || ok;
	}
	cite(decision, best, purpose);
	if (purpose->retired)
		decision->permitted = false;
	pfree(cats);
}
