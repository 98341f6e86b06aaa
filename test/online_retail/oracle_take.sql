-- Who is permitted now.
TRUNCATE oracle.permitted;
INSERT INTO oracle.permitted SELECT customer_id, purpose FROM oracle.permitted_now;
ANALYZE oracle.permitted;
