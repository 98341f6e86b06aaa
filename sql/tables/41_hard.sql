/*
 * The access method of relations under hard protection; the C side is in
 * src/enforce_hard.c.  Run once: an access method cannot be made again.
 */
CREATE FUNCTION personalize.heap_handler(internal) RETURNS table_am_handler
	LANGUAGE c VOLATILE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'personalize_heap_handler';
COMMENT ON FUNCTION personalize.heap_handler(internal) IS
	'Handler of access method personalize_heap: PostgreSQL''s own heap, or 55000 where the library is not preloaded';
CREATE ACCESS METHOD personalize_heap TYPE TABLE HANDLER personalize.heap_handler;
COMMENT ON ACCESS METHOD personalize_heap IS
	'The heap, closed to everybody where the library personalize is not preloaded; see personalize.protect(..., hard => true)';
