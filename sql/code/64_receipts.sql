/*
 * Consent receipts (ISO/IEC TS 27560 in the terms of W3C DPV), and the signal
 * of the Global Privacy Control.
 */
CREATE OR REPLACE FUNCTION personalize.dpv_internal(word text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE $1
		WHEN 'given' THEN 'dpv:ConsentGiven' WHEN 'refused' THEN 'dpv:ConsentRefused' WHEN 'withdrawn' THEN 'dpv:ConsentWithdrawn'
		WHEN 'expired' THEN 'dpv:ConsentExpired' WHEN 'unknown' THEN 'dpv:ConsentUnknown' WHEN 'objected' THEN 'dpv:ConsentRefused'
		WHEN 'presumed' THEN 'dpv:ConsentUnknown' WHEN 'lifted' THEN 'dpv:ConsentUnknown' WHEN 'ending' THEN 'dpv:ConsentGiven'
		WHEN 'restricted' THEN 'dpv:ConsentInvalidated' WHEN 'erased' THEN 'dpv:ConsentInvalidated'
		WHEN 'consent' THEN 'eu-gdpr:A6-1-a-non-explicit-consent' WHEN 'explicit_consent' THEN 'eu-gdpr:A6-1-a-explicit-consent'
		WHEN 'contract' THEN 'eu-gdpr:A6-1-b' WHEN 'legal_obligation' THEN 'eu-gdpr:A6-1-c' WHEN 'vital_interest' THEN 'eu-gdpr:A6-1-d'
		WHEN 'public_interest' THEN 'eu-gdpr:A6-1-e' WHEN 'legitimate_interest' THEN 'eu-gdpr:A6-1-f'
	END
$$;
COMMENT ON FUNCTION personalize.dpv_internal(text) IS 'The term of W3C DPV for a state of consent or a legal basis';

CREATE OR REPLACE FUNCTION personalize.consent_receipt(subject text, purpose text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET intervalstyle = iso_8601
AS $$
DECLARE
	kind_no integer := personalize.kind_id_internal(consent_receipt.kind);
	person text := personalize.canonical_key_internal(consent_receipt.kind, consent_receipt.subject);
	wanted integer := CASE WHEN consent_receipt.purpose IS NOT NULL THEN personalize.purpose_id_internal(consent_receipt.purpose, 'ask') END;
	c personalize.controller;
	records jsonb;
BEGIN
	SELECT x.* INTO c FROM personalize.controller AS x;
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
			'@type', 'dpv:ConsentRecord',
			'dct:conformsTo', 'https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr',
			'dct:identifier', e.record_id,
			'dpv:hasDataSubject', person,
			'dpv:hasNotice', coalesce(e.notice, 'not recorded'),
			'spdx:checksum', (SELECT 'sha256:' || encode(t.digest, 'hex') FROM personalize.notice_version AS v
				JOIN personalize.notice_text AS t ON t.notice_id = v.notice_id
				WHERE e.notice = v.name || '/' || v.version AND t.language IN (lower(e.language), split_part(lower(e.language), '-', 1))
				ORDER BY length(t.language) DESC LIMIT 1),
			'dct:language', coalesce(e.language, c.language),
			'dpv:hasProcess', jsonb_build_object(
				'dpv:hasPurpose', jsonb_strip_nulls(jsonb_build_object('dct:title', p.name, 'dct:description', p.description, '@id', p.iri,
					'pz:valueExchange', p.value_exchange, 'pz:incentives', personalize.incentives_json_internal(kind_no, person, p.name))),
				'dpv:hasPersonalData', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('dct:title', g.name, '@id', g.iri,
						'@type', CASE WHEN g.special THEN 'dpv:SpecialCategoryPersonalData' END)) ORDER BY g.name COLLATE "C"), '[]')
					FROM personalize.registry_category AS g
					WHERE g.category_id = ANY (coalesce(e.categories, ARRAY(SELECT y.category_id FROM personalize.registry_purpose_category AS y
						WHERE y.purpose_id = p.purpose_id)))),
				'dpv:hasRecipient', to_jsonb(p.recipients),
				'dpv:hasStorageCondition', jsonb_build_object('dpv:hasDuration', coalesce(p.retention::text, 'not stated'),
					'dpv:hasLocation', coalesce(to_jsonb(c.storage_locations), '[]'))),
			'dpv:hasLegalBasis', personalize.dpv_internal(p.legal_basis),
			'dpv:hasConsentControl', jsonb_build_object('@type', 'dpv:WithdrawConsent',
				'dpv:isExercisedAt', coalesce(c.withdrawal_method, 'not stated')),
			'dpv:hasConsentStatus', jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
				'@type', personalize.dpv_internal(CASE WHEN e.expires_at <= clock_timestamp() AND e.action IN ('given', 'ending') THEN 'expired' ELSE e.action END),
				'dpv:isIndicatedAtTime', e.recorded_at, 'dpv:isIndicatedBy', CASE WHEN e.action NOT IN ('ending', 'presumed', 'lifted') THEN person END, 'dpv:hasIndicationMethod', e.method,
				'dpv:hasExpiry', e.expires_at,
				'dct:description', CASE WHEN e.action IN ('ending', 'presumed', 'lifted') THEN e.action || ': ' || e.reason END,
				'dpv:hasConsentType', CASE WHEN e.action IN ('presumed', 'lifted') THEN NULL WHEN e.explicit THEN 'dpv:ExplicitlyExpressedConsent' ELSE 'dpv:ExpressedConsent' END)))))
			ORDER BY e.event_id)
		INTO records
		FROM personalize.subject AS s
			JOIN personalize.consent_event AS e ON e.subject_no = s.subject_no AND e.action IN ('given', 'refused', 'withdrawn', 'objected', 'ending', 'presumed', 'lifted')
			JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id
		WHERE s.kind_id = kind_no AND s.key = person AND (wanted IS NULL OR p.purpose_id = wanted);
	RETURN jsonb_build_object(
		'@context', jsonb_build_object('dpv', 'https://w3id.org/dpv#', 'eu-gdpr', 'https://w3id.org/dpv/legal/eu/gdpr#', 'dct', 'http://purl.org/dc/terms/',
			'spdx', 'http://spdx.org/rdf/terms#', 'pz', 'urn:x-personalize:'),
		'@type', 'dpv:ConsentReceipt',
		'dct:conformsTo', 'https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr',
		'dct:identifier', gen_random_uuid(), 'dct:issued', clock_timestamp(),
		'dpv:hasDataController', jsonb_strip_nulls(jsonb_build_object('dct:identifier', c.party_id, 'dpv:hasName', c.name, 'dpv:hasAddress', c.address,
			'dpv:hasContact', c.contact, '@type', c.party_type)),
		'dpv:hasJurisdiction', c.jurisdiction,
		'dpv:hasRecord', coalesce(records, '[]'));
END
$$;
COMMENT ON FUNCTION personalize.consent_receipt(text, text, text) IS
	'What a person said, to all purposes or to one, as a receipt after ISO/IEC TS 27560 in JSON-LD with the terms of W3C DPV';

CREATE OR REPLACE FUNCTION personalize.record_gpc(subject text, kind text DEFAULT 'subject')
RETURNS text[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	said text[] := '{}';
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.canonical_key_internal(record_gpc.kind, record_gpc.subject);
	FOR p IN
		/* what is told to sell or share, and what is narrower; never all purposes: Sec-GPC means no more than that */
		WITH RECURSIVE sale (id) AS (
			SELECT r.purpose_id FROM personalize.registry_purpose AS r
				WHERE r.iri IN ('https://w3id.org/dpv#SellDataToThirdParties', 'https://w3id.org/dpv#SellProducts', 'https://w3id.org/dpv#TargetedAdvertising',
					'third_party_sharing', 'marketing.advertising.third_party.targeted')
			UNION
			SELECT x.purpose_id FROM sale JOIN personalize.registry_purpose_parent AS x ON x.parent_id = sale.id)
		SELECT r.name, r.legal_basis FROM sale JOIN personalize.registry_purpose AS r ON r.purpose_id = sale.id
			WHERE NOT r.builtin AND r.retired_at IS NULL ORDER BY r.name COLLATE "C"
	LOOP
		CONTINUE WHEN personalize.consent_state(record_gpc.subject, p.name, kind => record_gpc.kind) IN ('objected', 'refused', 'withdrawn');
		IF p.legal_basis NOT IN ('consent', 'explicit_consent') THEN
			PERFORM personalize.object_to(record_gpc.subject, p.name, method => 'gpc', kind => record_gpc.kind);
		ELSIF personalize.consent_state(record_gpc.subject, p.name, kind => record_gpc.kind) = 'given' THEN
			PERFORM personalize.withdraw_consent(record_gpc.subject, p.name, method => 'gpc', kind => record_gpc.kind);
		ELSE
			PERFORM personalize.refuse_consent(record_gpc.subject, p.name, method => 'gpc', kind => record_gpc.kind);
		END IF;
		said := said || p.name::text;
	END LOOP;
	RETURN said;
END
$$;
COMMENT ON FUNCTION personalize.record_gpc(text, text) IS
	'Records a signal of the Global Privacy Control: no to purposes that sell or share, by their IRI, and to no other; returns which';
