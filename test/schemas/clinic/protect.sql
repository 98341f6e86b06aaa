-- Patients, and staff who is named in their records; health data is special.
SELECT personalize.define_kind('patient', 'text');
SELECT personalize.define_kind('staff', 'bigint');
SELECT personalize.define_kind('insured', 'text');
SELECT personalize.define_category('clinic_master', 'Who somebody is');
SELECT personalize.define_category('clinic_health', 'What somebody has', special => true, iri => 'https://w3id.org/dpv/pd#Health');
SELECT personalize.define_category('clinic_money', 'What insurers pay');
SELECT personalize.define_purpose('clinic_treatment', 'Treat patients', 'contract', categories => '{clinic_master,clinic_health}', special_basis => 'A9-2-h', retention => '10 years');
SELECT personalize.define_purpose('clinic_research', 'Find out what helps', 'explicit_consent', categories => '{clinic_health}', retention => '10 years', value_exchange => 'news about the study');
SELECT personalize.define_purpose('clinic_reminder', 'Remind of appointments', categories => '{clinic_master}', recipients => '{"Texts Ltd"}', retention => '1 year', value_exchange => 'fewer missed appointments');
SELECT personalize.define_purpose('clinic_billing', 'Bill insurers', 'legal_obligation', categories => '{clinic_money}', retention => '10 years');
SELECT personalize.grant_purpose(p, 'regress_clinic_app') FROM unnest('{clinic_treatment,clinic_research,clinic_reminder,clinic_billing}'::text[]) AS p;

SELECT personalize.protect('clinic.staff', 'staff_id', kind => 'staff', columns => '{"*":"clinic_master"}');
SELECT personalize.add_subject_path('clinic.staff', '{supervisor_id}', 'access', 'staff');
SELECT personalize.protect('clinic.patient', 'patient_no', kind => 'patient', columns => '{"blood":"clinic_health","*":"clinic_master"}');
SELECT personalize.add_subject_path('clinic.patient', '{guardian}', 'access', 'patient');
SELECT personalize.protect('clinic.insured', 'patient_no', kind => 'patient', columns => '{"*":"clinic_money"}');
SELECT personalize.add_subject_path('clinic.insured', '{insurer,policy}', 'access', 'insured');
SELECT personalize.protect('clinic.claim', via => 'policy', columns => '{"*":"clinic_money"}');
SELECT personalize.protect('clinic.appointment', 'patient_no', kind => 'patient', columns => '{"why":"clinic_health","*":"clinic_master"}', null_subject => 'visible');
SELECT personalize.protect('clinic.encounter', 'patient_no', kind => 'patient', columns => '{"encounter_id":"none","*":"clinic_health"}');
SELECT personalize.protect('clinic.diagnosis', via => 'encounter_id', columns => '{"line_no":"none","*":"clinic_health"}');
SELECT personalize.protect('clinic.prescription', via => 'line_no', columns => '{"prescription_id":"none","*":"clinic_health"}');
SELECT personalize.protect('clinic.dispensed', via => 'prescription_id', columns => '{"*":"clinic_health"}');
SELECT personalize.protect('clinic.lab_result', via => 'encounter_id', columns => '{"taken_on":"none","*":"clinic_health"}');
SELECT personalize.protect('clinic.next_of_kin', 'patient_no', kind => 'patient', columns => '{"*":"clinic_master"}');
SELECT personalize.add_subject_path('clinic.next_of_kin', '{kin}', 'access', 'patient');
SELECT personalize.protect('clinic.survey', 'patient_no', kind => 'patient', columns => '{"*":"clinic_health"}');

/* what the law has kept, with all that hangs on it */
SELECT personalize.set_erasure(('clinic.' || t)::regclass, 'retain', reason => 'records of treatment, 10 years', keep_for => '10 years')
	FROM unnest('{encounter,diagnosis,prescription,dispensed,lab_result}'::text[]) AS t;
SELECT personalize.set_erasure('clinic.appointment', 'anonymize', '{"why": null}');
SELECT personalize.set_erasure('clinic.survey', 'anonymize', '{"remarks": null}');
