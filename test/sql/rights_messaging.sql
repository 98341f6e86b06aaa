-- Messages of two persons, and what hangs on them: who leaves is taken out, who stays keeps theirs, and all others are as they were.
SET client_min_messages = error;
\pset format unaligned
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set schema :abs_srcdir '/schemas/messaging/schema.sql'
\set fill :abs_srcdir '/schemas/messaging/fill.sql'
\set protect :abs_srcdir '/schemas/messaging/protect.sql'
CREATE ROLE regress_messaging_app;
CREATE ROLE regress_messaging_officer;
\set ECHO none
\i :schema
\i :fill
\o /dev/null
\i :protect
\o
\set ECHO all
SELECT personalize.assign_duty('regress_messaging_app', 'app'), personalize.assign_duty('regress_messaging_officer', 'officer');
GRANT USAGE ON SCHEMA messaging TO regress_messaging_app, regress_messaging_officer;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA messaging TO regress_messaging_app;
SELECT messaging.who(19) AS me, messaging.who(27) AS friend \gset

\echo == people speak; words are special, and need an explicit yes of both
SET ROLE regress_messaging_app;
SELECT count(personalize.grant_consent(messaging.who(i), 'chat_suggest', method => 'app', kind => 'account')) AS yes FROM generate_series(1, 200, 2) AS i;
SELECT count(personalize.grant_consent(messaging.who(i), 'chat_train', method => 'app', explicit => i <= 60, kind => 'account')) AS yes FROM generate_series(1, 100) AS i;
BEGIN;
SET LOCAL personalize.purpose = 'chat_train';
SELECT count(*) AS messages, count(body) AS bodies FROM messaging.message;
SELECT count(*) AS attachments, count(file_name) AS names, (SELECT count(*) FROM messaging.thumbnail) AS thumbnails FROM messaging.attachment;
COMMIT;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
CREATE TEMP VIEW ok AS SELECT messaging.who(i) AS id FROM generate_series(1, 60) AS i;
SELECT count(*) AS messages, (SELECT count(*) FROM messaging.attachment AS a JOIN messaging.message USING (message_id) JOIN ok AS s ON s.id = sender JOIN ok AS r ON r.id = receiver) AS attachments,
		(SELECT count(*) FROM messaging.thumbnail JOIN messaging.attachment USING (attachment_id) JOIN messaging.message USING (message_id) JOIN ok AS s ON s.id = sender JOIN ok AS r ON r.id = receiver) AS thumbnails
	FROM messaging.message JOIN ok AS s ON s.id = sender JOIN ok AS r ON r.id = receiver;
COMMIT;

\echo == access: what I wrote and what was written to me, and not who wrote it
SET ROLE regress_messaging_officer;
SELECT r.relation, count(*), bool_or(r.data::text LIKE '%' || :'friend' || '%') AS names_a_friend FROM personalize.export_rows(:'me'::uuid, 'account') AS r GROUP BY 1 ORDER BY 1;
SELECT r.relation, r.data - '{message_id,sent_at,last_message}'::text[] AS data FROM personalize.export_rows(:'me'::uuid, 'account') AS r
	WHERE r.relation NOT IN ('messaging.search_index', 'messaging.thumbnail') ORDER BY r.relation COLLATE "C", r.data::text COLLATE "C";

\echo == rectification and restriction: of the messages, too
SELECT personalize.rectify_subject(:'me'::uuid, 'messaging.account', '{"shown_name": "Nineteen"}', 'account') - 'rectification_id' AS corrected;
SELECT personalize.restrict_processing(:'me'::uuid, 'disputed', 'account') IS NOT NULL AS restricted;
RESET ROLE;
SET ROLE regress_messaging_app;
BEGIN;
SET LOCAL personalize.purpose = 'chat_deliver';
SELECT count(*) AS of_both FROM messaging.message WHERE sender = :'me' OR receiver = :'me';
COMMIT;
RESET ROLE;
SELECT personalize.lift_restriction(:'me'::uuid, 'settled', 'account') IS NOT NULL AS lifted;

\echo == erasure: hidden during the grace period, taken back, then carried out
SET ROLE regress_messaging_officer;
SELECT personalize.request_erasure(:'me'::uuid, 'letter 3', '30 days', 'account') AS asked \gset
RESET ROLE;
SET ROLE regress_messaging_app;
BEGIN;
SET LOCAL personalize.purpose = 'chat_deliver';
SELECT count(*) AS hidden FROM messaging.attachment JOIN messaging.message USING (message_id) WHERE sender = :'me';
COMMIT;
RESET ROLE;
SET ROLE regress_messaging_officer;
SELECT personalize.cancel_erasure(:'asked');
RESET ROLE;
/* by hand: all rows that are neither mine nor name me */
CREATE TABLE messaging.mine (id bigint);
BEGIN;
SET LOCAL personalize.purpose = 'backup';
INSERT INTO messaging.mine SELECT message_id FROM messaging.message WHERE sender = :'me' OR receiver = :'me';
COMMIT;
CREATE VIEW messaging.of_others AS
	SELECT 'account' AS relation, t::text AS line FROM messaging.account AS t WHERE account_id <> messaging.who(19)
	UNION ALL SELECT 'device', t::text FROM messaging.device AS t WHERE account_id <> messaging.who(19)
	UNION ALL SELECT 'message', t::text FROM messaging.message AS t WHERE message_id NOT IN (SELECT id FROM messaging.mine) AND coalesce(reply_to, 0) NOT IN (SELECT id FROM messaging.mine)
	UNION ALL SELECT 'attachment', t::text FROM messaging.attachment AS t WHERE message_id NOT IN (SELECT id FROM messaging.mine)
	UNION ALL SELECT 'thumbnail', t::text FROM messaging.thumbnail AS t WHERE attachment_id NOT IN (SELECT attachment_id FROM messaging.attachment JOIN messaging.mine ON id = message_id)
	UNION ALL SELECT 'search_index', t::text FROM messaging.search_index AS t WHERE message_id NOT IN (SELECT id FROM messaging.mine)
	UNION ALL SELECT 'reaction', t::text FROM messaging.reaction AS t WHERE account_id <> messaging.who(19)
	UNION ALL SELECT 'chat_group', t::text FROM messaging.chat_group AS t
	UNION ALL SELECT 'group_member', t::text FROM messaging.group_member AS t WHERE account_id NOT IN (messaging.who(19), messaging.who(20))
	UNION ALL SELECT 'post', t::text FROM messaging.post AS t WHERE post_no <> 19
	UNION ALL SELECT 'contact', t::text FROM messaging.contact AS t WHERE account_id NOT IN (messaging.who(15), messaging.who(16), messaging.who(17), messaging.who(19));
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) AS n, md5(string_agg(relation || line, E'\n' ORDER BY relation || line COLLATE "C")) AS sum FROM messaging.of_others \gset before_
SELECT relation, count(*) FROM messaging.of_others GROUP BY 1 ORDER BY 1;
SELECT sender = :'me' AS i_sent, receiver = :'me' AS i_got, count(*) FROM messaging.message WHERE sender = :'me' OR receiver = :'me' GROUP BY 1, 2 ORDER BY 1, 2;
COMMIT;
SET ROLE regress_messaging_officer;
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(:'me'::uuid, 'letter 3', true, 'account') -> 'relations') AS e;
SELECT personalize.erase_subject(:'me'::uuid, 'letter 3', kind => 'account') AS certificate \gset
SELECT e.value AS step FROM jsonb_array_elements(:'certificate'::jsonb -> 'relations') AS e;
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid);
RESET ROLE;

\echo == whoever stays has their messages; what I wrote is gone from all of them
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) = :before_n AS as_many, md5(string_agg(relation || line, E'\n' ORDER BY relation || line COLLATE "C")) = :'before_sum' AS byte_identical FROM messaging.of_others;
SELECT sender IS NULL AS sender_gone, receiver IS NULL AS receiver_gone, count(*), count(body) AS bodies FROM messaging.message JOIN messaging.mine ON id = message_id GROUP BY 1, 2 ORDER BY 1, 2;
SELECT m.sender IS NULL AS sender_gone, a.file_name = '(removed)' AS removed, t.picture IS NULL AS no_picture, s.words IS NULL AS no_words, count(*)
	FROM messaging.mine JOIN messaging.message AS m ON m.message_id = id JOIN messaging.search_index AS s USING (message_id) LEFT JOIN messaging.attachment AS a USING (message_id) LEFT JOIN messaging.thumbnail AS t USING (attachment_id)
	GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
SELECT group_id, nickname, invited_by IS NULL AS by_nobody FROM messaging.group_member WHERE account_id = messaging.who(20) ORDER BY 1;
SELECT group_id, post_no, author, body FROM messaging.post WHERE post_no = 19;
SELECT called, other, blocked FROM messaging.contact WHERE account_id IN (messaging.who(15), messaging.who(16), messaging.who(17)) AND other IS NULL ORDER BY blocked;
/* no text of any table names me or holds a word of mine, but where others quote it */
SELECT count(*) AS lines FROM (
	SELECT t::text FROM messaging.account AS t UNION ALL SELECT t::text FROM messaging.device AS t UNION ALL SELECT t::text FROM messaging.message AS t
	UNION ALL SELECT t::text FROM messaging.attachment AS t UNION ALL SELECT t::text FROM messaging.search_index AS t UNION ALL SELECT t::text FROM messaging.reaction AS t
	UNION ALL SELECT t::text FROM messaging.group_member AS t UNION ALL SELECT t::text FROM messaging.post AS t UNION ALL SELECT t::text FROM messaging.contact AS t) AS x (line)
	WHERE (line LIKE '%' || :'me' || '%' OR line ~ 'from 19 |I am 19\M|note of 19\M|token 19 |nick 19\M|Nineteen|handle19\M') AND line !~ 'answer to';
COMMIT;
/* the last of the two leaves: now the message goes, and what hangs on it */
SET ROLE regress_messaging_officer;
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(:'friend'::uuid, 'letter 4', kind => 'account') -> 'relations') AS e WHERE e.value ->> 'relation' ~ 'message|attachment|thumbnail|search';
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) AS of_nobody FROM messaging.message WHERE sender IS NULL AND receiver IS NULL;
SELECT count(*) AS without_message FROM messaging.search_index AS s WHERE NOT EXISTS (SELECT FROM messaging.message AS m WHERE m.message_id = s.message_id);
COMMIT;

\echo == an import brings me back
SET ROLE regress_messaging_app;
INSERT INTO messaging.account (account_id, handle, shown_name, joined_at) VALUES (:'me', 'handle19', 'Name 19', now());
INSERT INTO messaging.message (sender, receiver, body, sent_at) VALUES (:'me', messaging.who(1), 'from 19 again', now());
BEGIN;
SET LOCAL personalize.purpose = 'chat_deliver';
SELECT count(*) AS withheld, (SELECT count(*) FROM messaging.search_index WHERE words @> '{again}') AS copies_withheld FROM messaging.message WHERE body LIKE 'from 19 %';
COMMIT;
RESET ROLE;
SET ROLE regress_messaging_officer;
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid) ORDER BY 2;
SELECT count(*) FROM jsonb_array_elements(personalize.reapply_erasures());
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid) ORDER BY 2;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT sender, body, words FROM messaging.message JOIN messaging.search_index USING (message_id) WHERE receiver = messaging.who(1) AND sender IS NULL ORDER BY message_id DESC LIMIT 1;
COMMIT;
SELECT ok FROM personalize.verify_audit();
DO $$
BEGIN
	PERFORM personalize.unprotect(('messaging.' || t)::regclass) FROM unnest('{contact,post,group_member,chat_group,reaction,search_index,thumbnail,attachment,message,device,account}'::text[]) AS t;
END
$$;
SELECT count(personalize.retire_purpose(name)) AS retired FROM personalize.purposes WHERE name LIKE 'chat\_%';
DROP SCHEMA messaging CASCADE;
DROP OWNED BY regress_messaging_app, regress_messaging_officer;
DROP ROLE regress_messaging_app, regress_messaging_officer;
