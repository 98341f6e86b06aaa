/* The type tripwire: see tripwire.c.  Nothing here is leakproof. */
\echo Use "CREATE EXTENSION tripwire" to load this file. \quit

CREATE TYPE tripwire.tripwire;
CREATE FUNCTION tripwire.tripwire_in(cstring) RETURNS tripwire.tripwire
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION tripwire.tripwire_out(tripwire.tripwire) RETURNS cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION tripwire.tripwire_recv(internal) RETURNS tripwire.tripwire
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION tripwire.tripwire_send(tripwire.tripwire) RETURNS bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE TYPE tripwire.tripwire (INPUT = tripwire.tripwire_in, OUTPUT = tripwire.tripwire_out,
	RECEIVE = tripwire.tripwire_recv, SEND = tripwire.tripwire_send,
	INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);

CREATE FUNCTION tripwire.tripwire_from_text(text) RETURNS tripwire.tripwire
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE CAST (text AS tripwire.tripwire) WITH FUNCTION tripwire.tripwire_from_text(text) AS ASSIGNMENT;
CREATE FUNCTION tripwire.tripwire_to_text(tripwire.tripwire) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE CAST (tripwire.tripwire AS text) WITH FUNCTION tripwire.tripwire_to_text(tripwire.tripwire);
CREATE FUNCTION tripwire.peek(tripwire.tripwire) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tripwire_peek';
REVOKE ALL ON FUNCTION tripwire.peek(tripwire.tripwire) FROM PUBLIC;

CREATE FUNCTION tripwire.tripwire_like(tripwire.tripwire, text) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR tripwire.~~ (LEFTARG = tripwire.tripwire, RIGHTARG = text,
	FUNCTION = tripwire.tripwire_like, RESTRICT = contsel, JOIN = contjoinsel);

CREATE FUNCTION tripwire.tripwire_eq(tripwire.tripwire, tripwire.tripwire) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR tripwire.= (LEFTARG = tripwire.tripwire, RIGHTARG = tripwire.tripwire, FUNCTION = tripwire.tripwire_eq,
	COMMUTATOR = OPERATOR(tripwire.=), NEGATOR = OPERATOR(tripwire.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE FUNCTION tripwire.tripwire_ne(tripwire.tripwire, tripwire.tripwire) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR tripwire.<> (LEFTARG = tripwire.tripwire, RIGHTARG = tripwire.tripwire, FUNCTION = tripwire.tripwire_ne,
	COMMUTATOR = OPERATOR(tripwire.<>), NEGATOR = OPERATOR(tripwire.=), RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE FUNCTION tripwire.tripwire_lt(tripwire.tripwire, tripwire.tripwire) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR tripwire.< (LEFTARG = tripwire.tripwire, RIGHTARG = tripwire.tripwire, FUNCTION = tripwire.tripwire_lt,
	COMMUTATOR = OPERATOR(tripwire.>), NEGATOR = OPERATOR(tripwire.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE FUNCTION tripwire.tripwire_le(tripwire.tripwire, tripwire.tripwire) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR tripwire.<= (LEFTARG = tripwire.tripwire, RIGHTARG = tripwire.tripwire, FUNCTION = tripwire.tripwire_le,
	COMMUTATOR = OPERATOR(tripwire.>=), NEGATOR = OPERATOR(tripwire.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE FUNCTION tripwire.tripwire_gt(tripwire.tripwire, tripwire.tripwire) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR tripwire.> (LEFTARG = tripwire.tripwire, RIGHTARG = tripwire.tripwire, FUNCTION = tripwire.tripwire_gt,
	COMMUTATOR = OPERATOR(tripwire.<), NEGATOR = OPERATOR(tripwire.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE FUNCTION tripwire.tripwire_ge(tripwire.tripwire, tripwire.tripwire) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR tripwire.>= (LEFTARG = tripwire.tripwire, RIGHTARG = tripwire.tripwire, FUNCTION = tripwire.tripwire_ge,
	COMMUTATOR = OPERATOR(tripwire.<=), NEGATOR = OPERATOR(tripwire.<), RESTRICT = scalargesel, JOIN = scalargejoinsel);

CREATE FUNCTION tripwire.tripwire_cmp(tripwire.tripwire, tripwire.tripwire) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR CLASS tripwire.tripwire_ops DEFAULT FOR TYPE tripwire.tripwire USING btree AS
	OPERATOR 1 tripwire.<, OPERATOR 2 tripwire.<=, OPERATOR 3 tripwire.=, OPERATOR 4 tripwire.>=, OPERATOR 5 tripwire.>,
	FUNCTION 1 tripwire.tripwire_cmp(tripwire.tripwire, tripwire.tripwire);

CREATE FUNCTION tripwire.tripwire_hash(tripwire.tripwire) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION tripwire.tripwire_hash_extended(tripwire.tripwire, bigint) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE OPERATOR CLASS tripwire.tripwire_hash_ops DEFAULT FOR TYPE tripwire.tripwire USING hash AS
	OPERATOR 1 tripwire.=,
	FUNCTION 1 tripwire.tripwire_hash(tripwire.tripwire),
	FUNCTION 2 tripwire.tripwire_hash_extended(tripwire.tripwire, bigint);

CREATE FUNCTION tripwire.tripwire_smaller(tripwire.tripwire, tripwire.tripwire) RETURNS tripwire.tripwire
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION tripwire.tripwire_larger(tripwire.tripwire, tripwire.tripwire) RETURNS tripwire.tripwire
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE AGGREGATE tripwire.min(tripwire.tripwire) (SFUNC = tripwire.tripwire_smaller, STYPE = tripwire.tripwire,
	COMBINEFUNC = tripwire.tripwire_smaller, PARALLEL = safe, SORTOP = OPERATOR(tripwire.<));
CREATE AGGREGATE tripwire.max(tripwire.tripwire) (SFUNC = tripwire.tripwire_larger, STYPE = tripwire.tripwire,
	COMBINEFUNC = tripwire.tripwire_larger, PARALLEL = safe, SORTOP = OPERATOR(tripwire.>));
