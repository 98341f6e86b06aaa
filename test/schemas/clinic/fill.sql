-- 240 patients; everything follows from their numbers.
SET search_path = clinic, pg_catalog;
CREATE FUNCTION p(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'P' || lpad(n::text, 5, '0') $$;
INSERT INTO staff (name, licence, supervisor_id) SELECT 'Doctor ' || i, 'L' || i, CASE WHEN i > 1 THEN 801 + i / 3 END FROM generate_series(1, 9) AS i;
INSERT INTO patient SELECT p(i), 'Patient ' || i, date '1940-01-01' + i * 100, (enum_range(NULL::blood))[1 + i % 4], CASE WHEN i % 12 = 0 THEN p(i - 1) END,
		jsonb_build_object('phone', '555-' || i, 'mail', format('p%s@clinic.example', i)) FROM generate_series(1, 240) AS i;
INSERT INTO insured SELECT 1 + i % 3, 930000 + i, p(i) FROM generate_series(1, 240) AS i WHERE i % 5 > 0;
INSERT INTO claim (insurer, policy, amount, what) SELECT insurer, policy, 10 + n, 'claim of ' || patient_no FROM insured, generate_series(1, 2) AS n ORDER BY policy, n;
INSERT INTO appointment (patient_no, staff_id, starts_at, why)
	SELECT p(i), 801 + i % 9, timestamptz '2024-05-01 08:00Z' + (i * 2 + n) * interval '1 hour', 'pain of ' || i FROM generate_series(1, 240) AS i, generate_series(0, i % 2) AS n ORDER BY i, n;
INSERT INTO encounter SELECT 40000 + i * 2 + n, p(i), 801 + i % 9, timestamptz '2024-05-01 08:00Z' + i * interval '1 day' FROM generate_series(1, 200) AS i, generate_series(0, i % 2) AS n;
INSERT INTO diagnosis SELECT encounter_id, n, chr(65 + (encounter_id % 6)::int) || lpad((encounter_id % 90)::text, 2, '0'), format('%s complains', patient_no) FROM encounter, generate_series(1, 2) AS n;
INSERT INTO prescription SELECT encounter_id * 10 + line_no, encounter_id, line_no, 'drug ' || encounter_id % 11 FROM diagnosis;
INSERT INTO dispensed SELECT prescription_id, date '2024-06-01' FROM prescription WHERE prescription_id % 3 = 0;
INSERT INTO lab_result SELECT encounter_id, date '2024-05-01' + (encounter_id % 200)::int, 'haemoglobin', jsonb_build_object('value', encounter_id % 9, 'of', patient_no) FROM encounter;
INSERT INTO next_of_kin SELECT p(i), n, p(1 + (i + n) % 240), CASE n WHEN 1 THEN 'sister' ELSE 'friend' END FROM generate_series(1, 240) AS i, generate_series(1, 2) AS n WHERE i % 3 = 0;
INSERT INTO survey (patient_no, mood, remarks) SELECT p(i), 1 + i % 5, 'remarks of ' || i FROM generate_series(1, 240) AS i WHERE i % 2 = 1;
RESET search_path;
