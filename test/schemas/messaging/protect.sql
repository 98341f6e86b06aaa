-- Sender and receiver own a message, and so what hangs on it; an inviter and a contact are named in rows of others.
SELECT personalize.define_kind('account', 'uuid');
SELECT personalize.define_category('chat_profile', 'Who somebody is');
SELECT personalize.define_category('chat_words', 'What people write', special => true);
SELECT personalize.define_purpose('chat_deliver', 'Bring messages', 'contract', categories => '{chat_profile,chat_words}', special_basis => 'A9-2-a', retention => '1 year');
SELECT personalize.define_purpose('chat_suggest', 'Suggest whom to write to', categories => '{chat_profile}', retention => '1 year', value_exchange => 'better suggestions');
SELECT personalize.define_purpose('chat_train', 'Learn how people write', categories => '{chat_words}', retention => '1 year', value_exchange => 'better answers');
SELECT personalize.grant_purpose(p, 'regress_messaging_app') FROM unnest('{chat_deliver,chat_suggest,chat_train}'::text[]) AS p;

SELECT personalize.protect('messaging.account', 'account_id', kind => 'account', columns => '{"joined_at":"none","*":"chat_profile"}');
SELECT personalize.protect('messaging.device', 'account_id', kind => 'account', columns => '{"*":"chat_profile"}');
SELECT personalize.protect('messaging.message', 'sender', kind => 'account', columns => '{"message_id":"none","state":"none","sent_at":"chat_profile","reply_to":"chat_profile","*":"chat_words"}');
SELECT personalize.add_subject_path('messaging.message', '{receiver}', kind => 'account');
SELECT personalize.protect('messaging.attachment', via => 'message_id', columns => '{"attachment_id":"none","*":"chat_words"}');
SELECT personalize.protect('messaging.thumbnail', via => 'attachment_id', columns => '{"*":"chat_words"}');
SELECT personalize.protect('messaging.search_index', via => 'message_id', columns => '{"*":"chat_words"}');
SELECT personalize.protect('messaging.reaction', 'account_id', kind => 'account', columns => '{"*":"chat_profile"}');
SELECT personalize.protect('messaging.chat_group', 'owner_id', kind => 'account', columns => '{"*":"chat_profile"}', null_subject => 'visible');
SELECT personalize.protect('messaging.group_member', 'account_id', kind => 'account', columns => '{"*":"chat_profile"}');
SELECT personalize.add_subject_path('messaging.group_member', '{invited_by}', 'access', 'account');
SELECT personalize.protect('messaging.post', 'author', kind => 'account', columns => '{"body":"chat_words","*":"chat_profile"}', null_subject => 'visible');
SELECT personalize.protect('messaging.contact', 'account_id', kind => 'account', columns => '{"*":"chat_profile"}');
SELECT personalize.add_subject_path('messaging.contact', '{other}', 'access', 'account');

-- the words of a sender go with the sender, those of a receiver stay
SELECT personalize.set_erasure('messaging.message', 'delete', '{"body": null}', subject => 'sender');
SELECT personalize.set_erasure('messaging.chat_group', 'anonymize');
SELECT personalize.set_erasure('messaging.post', 'anonymize', '{"body": "(removed)"}');
SELECT personalize.set_erasure('messaging.contact', 'anonymize', '{"called": null}', subject => 'other');
-- what hangs on a message or was copied from it is the sender's, too: where the receiver keeps the row, without it
SELECT personalize.set_erasure('messaging.attachment', 'delete', '{"file_name": "(removed)"}', subject => 'message_id.sender');
SELECT personalize.set_erasure('messaging.thumbnail', 'delete', '{"picture": null}', subject => 'attachment_id.sender');
SELECT personalize.set_erasure('messaging.search_index', 'delete', '{"words": null}', subject => 'message_id.sender');
