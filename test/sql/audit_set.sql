-- Packed sets of subject numbers: whatever goes in comes out, in the shortest form; damaged ones are errors.
\pset format unaligned
\set VERBOSITY terse
CREATE TEMP TABLE sets AS
SELECT name, ARRAY(SELECT i FROM generate_series(0, 15359) AS i WHERE CASE name
		WHEN 'empty' THEN false
		WHEN 'first' THEN i = 0
		WHEN 'last' THEN i = 15359
		WHEN 'ends' THEN i IN (0, 15359)
		WHEN 'far' THEN i % 5000 = 7
		WHEN 'hundreds' THEN i % 300 = 5
		WHEN 'tens' THEN i % 10 = 3
		WHEN 'edge' THEN i % 128 = 127
		WHEN 'half' THEN i % 2 = 1
		WHEN 'all' THEN true
		WHEN 'block' THEN i BETWEEN 3000 AND 3600
		WHEN 'random' THEN hashint4(i) % 9 = 0 END ORDER BY i) AS members
FROM unnest('{empty,first,last,ends,far,hundreds,tens,edge,half,all,block,random}'::text[]) AS name;
CREATE TEMP TABLE packed AS
SELECT name, members, personalize.audit_set_pack_internal(members) AS set FROM sets;
SELECT name, cardinality(members) AS n, chr(get_byte(set, 0)) AS form, length(set) AS bytes,
	ARRAY(SELECT m - 3 * 15360 FROM personalize.audit_set_members_internal(set, 3) AS m) = members::bigint[] AS same,
	(SELECT bool_and(personalize.audit_set_has_internal(set, 3 * 15360 + i) = (i = ANY (members)))
		FROM unnest(members || ARRAY[0, 1, 2, 127, 128, 129, 299, 300, 2999, 3000, 3601, 15358, 15359]) AS i) AS has
FROM packed ORDER BY cardinality(members), name;
/* a number that no subject can have is in none */
SELECT bool_or(personalize.audit_set_has_internal(set, n)) AS has FROM packed, unnest('{-1,-15360,-9223372036854775808}'::bigint[]) AS n;
/* order and repetition do not matter */
SELECT personalize.audit_set_pack_internal('{5,3,5,70,3}') = personalize.audit_set_pack_internal('{3,5,70}') AS same;
SELECT personalize.audit_set_pack_internal('{15360}');
SELECT personalize.audit_set_pack_internal('{-1}');
SELECT personalize.audit_set_pack_internal('{NULL}');
/* damaged: no form, another one, half a number, a distance without end, one that is too long, a member beyond the chunk */
CREATE FUNCTION pg_temp.damaged(set bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := '';
BEGIN
	BEGIN
		result := (SELECT string_agg(m::text, ',') FROM personalize.audit_set_members_internal(set, 0) AS m);
	EXCEPTION WHEN data_corrupted THEN
		result := 'damaged';
	END;
	BEGIN
		result := concat(result, ' ', personalize.audit_set_has_internal(set, 15359));
	EXCEPTION WHEN data_corrupted THEN
		result := concat(result, ' damaged');
	END;
	RETURN result;
END
$$;
SELECT set, pg_temp.damaged(set) FROM unnest('{"\\x","\\x43","\\x4101","\\x4480","\\x44808080","\\x44ffffff01","\\x44ffff04ff7f","\\x42ff"}'::bytea[]) AS set;
SELECT pg_temp.damaged(convert_to('D' || repeat('a', 1921), 'UTF8')), pg_temp.damaged(convert_to('A' || repeat('a', 1922), 'UTF8'));
