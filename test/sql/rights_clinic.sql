-- A clinic, whose records are kept under law and lead to the patient by their encounter: every right, a legal hold, and the rows of others as they were.
SET client_min_messages = error;
\pset format unaligned
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set schema :abs_srcdir '/schemas/clinic/schema.sql'
\set fill :abs_srcdir '/schemas/clinic/fill.sql'
\set protect :abs_srcdir '/schemas/clinic/protect.sql'
CREATE ROLE regress_clinic_app;
CREATE ROLE regress_clinic_officer;
\set ECHO none
\i :schema
\i :fill
\o /dev/null
\i :protect
\o
\set ECHO all
SELECT personalize.assign_duty('regress_clinic_app', 'app'), personalize.assign_duty('regress_clinic_officer', 'officer');
GRANT USAGE ON SCHEMA clinic TO regress_clinic_app, regress_clinic_officer;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA clinic TO regress_clinic_app;

\echo == patients speak: research needs an explicit yes
SET ROLE regress_clinic_app;
SELECT count(personalize.grant_consent(clinic.p(i), 'clinic_research', notice => 'study 1', method => 'paper', explicit => i % 2 = 1, kind => 'patient')) AS yes FROM generate_series(1, 240) AS i WHERE i % 3 = 1;
SELECT count(personalize.grant_consent(clinic.p(i), 'clinic_reminder', method => 'web', kind => 'patient')) AS yes FROM generate_series(1, 240) AS i WHERE i % 4 = 3;
BEGIN;
SET LOCAL personalize.purpose = 'clinic_research';
SELECT count(*) AS diagnoses, count(DISTINCT encounter_id) AS encounters, (SELECT count(*) FROM clinic.prescription) AS prescriptions, (SELECT count(*) FROM clinic.dispensed) AS dispensed,
	(SELECT count(*) FROM clinic.lab_result) AS results FROM clinic.diagnosis;
SELECT name FROM clinic.patient;
ROLLBACK;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
CREATE TEMP VIEW agreed AS SELECT encounter_id FROM clinic.encounter, generate_series(1, 240, 6) AS i WHERE patient_no = clinic.p(i);
SELECT count(*) AS diagnoses, count(DISTINCT encounter_id) AS encounters, (SELECT count(*) FROM clinic.prescription JOIN agreed USING (encounter_id)) AS prescriptions,
	(SELECT count(*) FROM clinic.dispensed JOIN clinic.prescription USING (prescription_id) JOIN agreed USING (encounter_id)) AS dispensed,
	(SELECT count(*) FROM clinic.lab_result JOIN agreed USING (encounter_id)) AS results FROM clinic.diagnosis JOIN agreed USING (encounter_id);
COMMIT;
SET ROLE regress_clinic_app;
BEGIN;
SET LOCAL personalize.purpose = 'clinic_treatment';
SET LOCAL personalize.context = 'your doctor looked at your record';
SELECT e.encounter_id, d.code, d.words, p.drug, l.result FROM clinic.encounter AS e JOIN clinic.diagnosis AS d USING (encounter_id) JOIN clinic.prescription AS p USING (encounter_id, line_no)
	JOIN clinic.lab_result AS l USING (encounter_id) WHERE e.patient_no = 'P00011' ORDER BY 1, 2, d.line_no;
SELECT count(*) FROM clinic.claim;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'clinic_billing';
SELECT insurer, count(*), sum(amount) FROM clinic.claim GROUP BY 1 ORDER BY 1;
COMMIT;
RESET ROLE;

\echo == access
SET ROLE regress_clinic_officer;
SELECT r.relation, r.data FROM personalize.export_rows('P00011'::text, 'patient') AS r ORDER BY r.relation COLLATE "C", r.data::text COLLATE "C";
SELECT r.relation, count(*) FROM personalize.export_rows(ARRAY[3, 930011]::text, 'insured') AS r GROUP BY 1 ORDER BY 1;
SELECT DISTINCT u.value ->> 'purpose' AS purpose, u.value ->> 'relation' AS relation, u.value ->> 'explanation' AS explanation
	FROM jsonb_array_elements(personalize.export_subject('P00011'::text, 'patient') -> 'uses') AS u WHERE u.value ->> 'purpose' = 'clinic_treatment' ORDER BY 1, 2, 3;

\echo == rectification, restriction
SELECT personalize.rectify_subject('P00011'::text, 'clinic.patient', '{"name": "Patient Eleven", "contact": {"phone": "555-0"}}', 'patient') - 'rectification_id' AS corrected;
SELECT personalize.rectify_subject('P00011'::text, 'clinic.patient', '{"born": "1899-01-01"}', 'patient');
SELECT relation_name, columns, recipient FROM personalize.notifications WHERE relation_name LIKE 'clinic.%';
SELECT personalize.restrict_processing('P00011'::text, 'disputed', 'patient') IS NOT NULL AS restricted;
RESET ROLE;
SET ROLE regress_clinic_app;
BEGIN;
SET LOCAL personalize.purpose = 'clinic_treatment';
SELECT count(*) AS restricted FROM clinic.prescription JOIN clinic.encounter USING (encounter_id) WHERE patient_no = 'P00011';
COMMIT;
RESET ROLE;
SELECT personalize.lift_restriction('P00011'::text, 'settled', 'patient') IS NOT NULL AS lifted;

\echo == erasure: asked for, taken back; then carried out while a court wants one table kept
SET ROLE regress_clinic_officer;
SELECT personalize.request_erasure('P00011'::text, 'letter 9', '14 days', 'patient') AS asked \gset
SELECT personalize.cancel_erasure(:'asked');
SELECT personalize.hold_subject('P00011'::text, 'case 12', 'clinic.appointment', 'patient') AS hold \gset
/* an appointment refers to the patient: what is held holds that */
SELECT e.value - 'until' AS step FROM jsonb_array_elements(personalize.erase_subject('P00011'::text, 'letter 9', true, 'patient') -> 'relations') AS e WHERE e.value ->> 'action' = 'hold';
SELECT personalize.release_hold(:'hold') IS NULL AS nothing_waited;
SELECT personalize.hold_subject('P00011'::text, 'case 12', 'clinic.lab_result', 'patient') AS hold \gset
RESET ROLE;
CREATE VIEW clinic.of_others AS
	SELECT 'staff' AS relation, t::text AS line FROM clinic.staff AS t
	UNION ALL SELECT 'patient', t::text FROM clinic.patient AS t WHERE patient_no NOT IN ('P00011', 'P00012')
	UNION ALL SELECT 'insured', t::text FROM clinic.insured AS t WHERE patient_no <> 'P00011'
	UNION ALL SELECT 'claim', t::text FROM clinic.claim AS t WHERE policy <> 930011
	UNION ALL SELECT 'appointment', t::text FROM clinic.appointment AS t WHERE patient_no <> 'P00011'
	/* those of the patient are kept under law: they are the same, too */
	UNION ALL SELECT 'encounter', t::text FROM clinic.encounter AS t
	UNION ALL SELECT 'diagnosis', t::text FROM clinic.diagnosis AS t
	UNION ALL SELECT 'prescription', t::text FROM clinic.prescription AS t
	UNION ALL SELECT 'dispensed', t::text FROM clinic.dispensed AS t
	UNION ALL SELECT 'lab_result', t::text FROM clinic.lab_result AS t
	UNION ALL SELECT 'next_of_kin', t::text FROM clinic.next_of_kin AS t WHERE kin IS DISTINCT FROM 'P00011' AND (patient_no, place) <> ('P00009', 1)
	UNION ALL SELECT 'survey', t::text FROM clinic.survey AS t WHERE patient_no <> 'P00011';
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) AS n, md5(string_agg(relation || line, E'\n' ORDER BY relation || line COLLATE "C")) AS sum FROM clinic.of_others \gset before_
SELECT relation, count(*) FROM clinic.of_others GROUP BY 1 ORDER BY 1;
COMMIT;
SET ROLE regress_clinic_officer;
SELECT e.value - 'until' AS step FROM jsonb_array_elements(personalize.erase_subject('P00011'::text, 'letter 9', true, 'patient') -> 'relations') AS e;
SELECT personalize.erase_subject('P00011'::text, 'letter 9', kind => 'patient') AS certificate \gset
SELECT e.value - 'until' AS step, e.value ? 'until' AS for_a_time FROM jsonb_array_elements(:'certificate'::jsonb -> 'relations') AS e;
SELECT :'certificate'::jsonb -> 'cascades' AS cascades;
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid);
RESET ROLE;

\echo == what is left: the records of treatment, for nobody to see; an appointment and a survey of nobody
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) = :before_n AS as_many, md5(string_agg(relation || line, E'\n' ORDER BY relation || line COLLATE "C")) = :'before_sum' AS byte_identical FROM clinic.of_others;
SELECT patient_no, name, guardian FROM clinic.patient WHERE patient_no IN ('P00011', 'P00012');
SELECT * FROM clinic.appointment WHERE patient_no IS NULL ORDER BY 1;
SELECT patient_no, mood, remarks FROM clinic.survey WHERE patient_no IS NULL;
SELECT * FROM clinic.next_of_kin WHERE patient_no = 'P00009' ORDER BY place;
SELECT count(*) AS claims_of_the_policy FROM clinic.claim WHERE policy = 930011;
COMMIT;
SET ROLE regress_clinic_app;
BEGIN;
SET LOCAL personalize.purpose = 'clinic_treatment';
SELECT (SELECT count(*) FROM clinic.encounter WHERE patient_no = 'P00011') AS encounters, (SELECT count(*) FROM clinic.diagnosis WHERE encounter_id IN (40022, 40023)) AS diagnoses,
	(SELECT count(*) FROM clinic.lab_result WHERE encounter_id IN (40022, 40023)) AS results;
COMMIT;
RESET ROLE;
SET ROLE regress_clinic_officer;
SELECT subject, relation, reason, erasure_waits FROM personalize.holds WHERE kind = 'patient';
SELECT e.value - 'until' AS step FROM jsonb_array_elements(personalize.release_hold(:'hold') -> 'relations') AS e WHERE e.value ->> 'rows' <> '0';
SELECT count(*) AS held FROM personalize.holds WHERE kind = 'patient';

\echo == an import brings the patient back
RESET ROLE;
SET ROLE regress_clinic_app;
INSERT INTO clinic.patient (patient_no, name, born) VALUES ('P00011', 'Patient 11', '1943-01-05');
INSERT INTO clinic.survey (patient_no, mood) VALUES ('P00011', 5);
BEGIN;
SET LOCAL personalize.purpose = 'clinic_treatment';
SELECT count(*) AS withheld FROM clinic.patient WHERE patient_no = 'P00011';
COMMIT;
RESET ROLE;
SET ROLE regress_clinic_officer;
SELECT e.value - 'until' AS step FROM jsonb_array_elements(personalize.reapply_erasures()) AS c, jsonb_array_elements(c.value -> 'relations') AS e WHERE e.value ->> 'rows' <> '0';
SELECT jsonb_array_length(personalize.reapply_erasures()) AS nothing_left;

\echo == a doctor who supervises others leaves: what is not known to name the doctor stands against it
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(802, kind => 'staff') -> 'relations') AS e;
SELECT personalize.add_subject_path('clinic.appointment', '{staff_id}', 'access', 'staff');
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(802, kind => 'staff') -> 'relations') AS e;
/* a key of two columns to which rows refer cannot become a pseudonym: said, and nothing done */
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(ARRAY[2, 930001]::text, kind => 'insured') -> 'relations') AS e;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM clinic.staff ORDER BY 1;
SELECT count(*) AS appointments, count(staff_id) AS with_staff, (SELECT count(staff_id) FROM clinic.encounter) AS encounters_with_staff FROM clinic.appointment;
SELECT patient_no, insurer < 0 AS pseudonym, policy FROM clinic.insured WHERE patient_no = 'P00001';
COMMIT;
SELECT ok FROM personalize.verify_audit();
DO $$
BEGIN
	PERFORM personalize.unprotect(('clinic.' || t)::regclass) FROM unnest('{survey,next_of_kin,lab_result,dispensed,prescription,diagnosis,encounter,appointment,claim,insured,patient,staff}'::text[]) AS t;
END
$$;
SELECT count(personalize.retire_purpose(name)) AS retired FROM personalize.purposes WHERE name LIKE 'clinic\_%';
DROP SCHEMA clinic CASCADE;
DROP OWNED BY regress_clinic_app, regress_clinic_officer;
DROP ROLE regress_clinic_app, regress_clinic_officer;
