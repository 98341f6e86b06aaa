-- 200 accounts; everything follows from their numbers.
SET search_path = messaging, pg_catalog;
INSERT INTO account SELECT who(i), 'handle' || i, 'Name ' || i, jsonb_build_object('status', 'I am ' || i), timestamptz '2024-01-01 00:00Z' + i * interval '1 hour'
	FROM generate_series(1, 200) AS i;
INSERT INTO device (account_id, push_token) SELECT who(i), 'token ' || i || ' ' || n FROM generate_series(1, 200) AS i, generate_series(1, 1 + i % 2) AS n ORDER BY i, n;
INSERT INTO message (sender, receiver, body, sent_at)
	SELECT who(i), who(1 + (i + n * 7) % 200), format('from %s to %s', i, 1 + (i + n * 7) % 200), timestamptz '2024-02-01 00:00Z' + i * interval '1 minute'
	FROM generate_series(1, 200) AS i, generate_series(1, 3) AS n ORDER BY i, n;
INSERT INTO message (sender, receiver, reply_to, body, sent_at)
	SELECT receiver, sender, message_id, 'answer to ' || body, sent_at + interval '1 minute' FROM message WHERE message_id % 2 = 0 ORDER BY message_id;
-- notes to oneself
INSERT INTO message (sender, receiver, body, sent_at) SELECT who(i), who(i), 'note of ' || i, timestamptz '2024-03-01 00:00Z' FROM generate_series(1, 200, 9) AS i;
INSERT INTO attachment (message_id, file_name) SELECT message_id, 'file of ' || body FROM message WHERE message_id % 4 = 0 OR sender = receiver ORDER BY 1;
INSERT INTO thumbnail SELECT attachment_id, w, '\x00' FROM attachment, unnest('{64,256}'::int[]) AS w;
INSERT INTO reaction SELECT message_id, receiver, 'like' FROM message WHERE message_id % 3 = 0 AND receiver <> sender;
INSERT INTO chat_group SELECT g, 'group ' || g, who(g * 10) FROM generate_series(1, 6) AS g;
INSERT INTO group_member SELECT 1 + (i + n) % 6, who(i), CASE WHEN n = 0 THEN 'nick ' || i END, CASE WHEN i > 1 THEN who(i - 1) END
	FROM generate_series(1, 200) AS i, generate_series(0, 1) AS n ORDER BY i, n;
INSERT INTO post SELECT 1 + i % 6, i, who(i), 'post of ' || i FROM generate_series(1, 200) AS i;
INSERT INTO contact (account_id, other, called, blocked) SELECT who(i), who(1 + (i + n) % 200), 'friend ' || 1 + (i + n) % 200, n = 3 FROM generate_series(1, 200) AS i, generate_series(1, 3) AS n ORDER BY i, n;
UPDATE account SET last_message = (SELECT max(m.message_id) FROM message AS m WHERE m.sender = account_id);
RESET search_path;
