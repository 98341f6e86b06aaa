-- The application records the answers, all at once.
SET ROLE shop_app;
SELECT personalize.record_consents('retail.answers');
RESET ROLE;
DROP TABLE retail.answers;
