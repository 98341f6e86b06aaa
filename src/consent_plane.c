/*-------------------------------------------------------------------------
 *
 * consent_plane.c
 *	  What the consent set says for one purpose: bits for rows, and for the
 *	  cells of each category that may be masked.
 *
 * Cells of other categories go with the row.  A person of whom that is not true
 * is asked of the ledger for ever: it then says what is wrong.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "consent_set.h"

/* Make empty bits; InvalidDsaPointer if there is no memory. */
PzSetBits
pz_plane_make_bits(PzSet *set, dsa_area *area)
{
	return pz_set_allocate(set, area, set->nchunks * sizeof(uint64));
}

/*
 * Make the bits for a purpose as the registry defines it now, all of them no.
 * Nobody reads them before their address is in PzSet.planes.  InvalidDsaPointer
 * if there is no memory.
 */
dsa_pointer
pz_plane_make(PzSet *set, dsa_area *area, const PzPurpose *purpose)
{
	dsa_pointer p = pz_set_allocate(set, area, sizeof(PzSetPlane));
	StringInfo	signature;
	PzSetPlane *plane;
	bool		complete;
	int			i;

	if (!DsaPointerIsValid(p))
		return p;
	plane = dsa_get_address(area, p);
	plane->purpose_id = purpose->purpose_id;
	plane->row = pz_plane_make_bits(set, area);
	complete = DsaPointerIsValid(plane->row);
	for (i = 0; i < purpose->ncategories && complete; i++)
	{
		const PzCategory *category = pz_registry_category(purpose->categories[i]);

		if (category == NULL || !(category->special || category->partial))
			continue;
		plane->category[plane->ncategories] = purpose->categories[i];
		plane->cells[plane->ncategories] = pz_plane_make_bits(set, area);
		complete = DsaPointerIsValid(plane->cells[plane->ncategories++]);
	}
	signature = pz_set_signature(purpose);
	if (complete)
	{
		plane->signature = pz_set_allocate(set, area, signature->len);
		plane->signature_len = signature->len;
		complete = DsaPointerIsValid(plane->signature);
	}
	if (!complete)
	{
		pz_plane_free(set, area, p);
		return InvalidDsaPointer;
	}
	memcpy(dsa_get_address(area, plane->signature), signature->data, signature->len);
	return p;
}

/* Give back what nobody reads any more. */
void
pz_plane_free(PzSet *set, dsa_area *area, dsa_pointer p)
{
	PzSetPlane *plane = dsa_get_address(area, p);
	int			i;

	pz_set_free_bits(area, set, plane->row);
	for (i = 0; i < plane->ncategories; i++)
		pz_set_free_bits(area, set, plane->cells[i]);
	if (DsaPointerIsValid(plane->signature))
	{
		dsa_free(area, plane->signature);
		pg_atomic_sub_fetch_u64(&set->bytes, plane->signature_len);
	}
	dsa_free(area, p);
	pg_atomic_sub_fetch_u64(&set->bytes, sizeof(PzSetPlane));
}

/*
 * Is a plane what the registry says of its purpose now?  NULL purpose: no.
 */
bool
pz_plane_is_current(dsa_area *area, const PzSetPlane *plane, const PzPurpose *purpose)
{
	StringInfo	signature;
	bool		same;

	if (purpose == NULL)
		return false;
	signature = pz_set_signature(purpose);
	same = plane->signature_len == signature->len &&
		memcmp(dsa_get_address(area, plane->signature), signature->data, signature->len) == 0;
	pfree(signature->data);
	pfree(signature);
	return same;
}

/*
 * What a decision means for a plane: which of its bits are set.
 */
PzPlaneBits
pz_plane_bits(const PzSetPlane *plane, const PzPurpose *purpose, const PzDecision *decision)
{
	PzPlaneBits bits = {0};
	int			shared = 0;
	int			i;
	int			j;

	bits.row = decision->permitted;
	if (!bits.row)
		return bits;
	for (i = 0; i < decision->ncategories; i++)
	{
		for (j = 0; j < plane->ncategories; j++)
			if (plane->category[j] == decision->categories[i])
				break;
		if (j < plane->ncategories)
			bits.cells |= UINT64CONST(1) << j;
		else
			shared++;
	}
	bits.uneven = shared < purpose->ncategories - plane->ncategories;
	return bits;
}

/*
 * Write the bits of a number.  Only for the consent worker.  False if there is
 * no memory.
 */
bool
pz_plane_put(PzSet *set, dsa_area *area, PzSetPlane *plane, uint32 no, const PzPlaneBits *bits)
{
	bool		done = pz_set_put_bit(set, area, plane->row, no, bits->row);
	int			i;

	for (i = 0; i < plane->ncategories && done; i++)
		done = pz_set_put_bit(set, area, plane->cells[i], no, (bits->cells >> i) & 1);
	return done;
}
