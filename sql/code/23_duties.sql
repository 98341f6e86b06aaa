/*
 * Duties: the roles that are auditors and privacy officers.
 */

CREATE OR REPLACE FUNCTION personalize.duty_objects_internal(duty text)
RETURNS TABLE (is_view boolean, object_name text)
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.is_view, o.object_name
	FROM (VALUES
		('app', false, '{orm_model,set_preference,preferences,inferred_preferences,quiet_now,accept_incentive,refuse_incentive,withdraw_incentive,incentives_of,
			assign,record_outcome,record_outcomes,record_outcome_batch_internal,exclude,unexclude,record_exposure,record_exposures,exposures_internal,why,link_subject,grant_consent,refuse_consent,withdraw_consent,object_to,restrict_processing,lift_restriction,record_gpc,consent_receipt,privacy_notice,
			set_jurisdiction,set_minor,is_minor,set_guardian,remove_guardian,guardians_of,consent_renewals,
			record_consents,record_batch_internal,source_columns_internal,source_rows_internal,source_open_internal,progress_recording_internal,consent_state,permitted,decide,decision_internal}'::text[]),
		('app', true, '{incentives,metric_list,consent,purposes,categories,notices,purpose_jurisdictions,consent_lifetimes}'),
		('officer', false, '{orm_model,preferences,preference_history,publish_preferences,unpublish_preferences,define_incentive,retire_incentive,incentives_of,
			define_experiment,end_experiment,define_metric,measure,consent_rates,chi_squared_tail_internal,lift,parity,parity_source_internal,parity_internal,opt_out_parity,record_parity,parity_keep_internal,forget_parity,report_html,find_alerts,set_alert,acknowledge_alert,read_metrics,
			define_exclusion,drop_exclusion,refresh_exclusions,exclude,unexclude,exclusions_of,set_frequency_cap,set_exposure_retention,why,link_subject,unlink_subject,define_kind,define_category,define_purpose,retire_purpose,grant_purpose,revoke_purpose,
			protect,add_subject_path,classify,unprotect,open_maintenance,close_maintenance,assign_duty,revoke_duty,describe_controller,create_view,
			restrict_processing,lift_restriction,erase_subject,erase_subjects,reinstate_subject,set_erasure,hold_subject,release_hold,
			request_erasure,cancel_erasure,retry_erasure,verify_erasure,erasure_traces,export_tombstones,reapply_erasures,set_retention,export_subject,export_rows,export_csv,
			rectify_subject,recipient_notified,set_source,open_request,verify_request,extend_request,fulfil_request,refuse_request,revoke_request,
			define_notice,set_consent_lifetime,consent_renewals,set_purpose_jurisdiction,set_jurisdiction,set_minor,is_minor,set_guardian,
			remove_guardian,guardians_of,consent_receipt,record_gpc,lint,privacy_notice,ingest_standby_log,standby_age,status,progress_read_internal,counters_internal,consent_state,permitted,decide,decision_internal}'),
		('officer', true, '{alerts,alert_rules,metrics,metric_names,experiments,experiment_health,metric_list,conversion_rate,click_through,satisfaction,repeat_purchase,lifetime_value,opt_rates,parity_records,
			incentives,preference_copy,exclusions,exclusion_event,frequency_caps,exposure_retention,purpose_sweep,consent,purposes,categories,protected_relations,protected_columns,erasure,observed,copies,maintenance,
			standby_log,notices,purpose_jurisdictions,consent_lifetimes,requests,notifications,holds,erasure_rules,erasure_requests,retention,record_of_processing,data_inventory,progress,stat_uses}'),
		('auditor', false, '{find_alerts,read_metrics,measure,consent_rates,chi_squared_tail_internal,lift,opt_out_parity,report_html,usage_of,subjects_of,breach_scope,audit_sync,verify_audit,audit_head,standby_age,status,progress_read_internal,counters_internal}'),
		('auditor', true, '{alerts,alert_rules,metrics,metric_names,experiments,experiment_health,metric_list,conversion_rate,click_through,satisfaction,repeat_purchase,lifetime_value,opt_rates,parity_records,usage,standby_log,refusals,uses_by_day,purposes,categories,protected_relations,protected_columns,consent_event,erasure,observed,copies,maintenance,maintenance_event,progress,stat_uses}'),
		('monitor', false, '{read_metrics,counters_internal}'),
		('monitor', true, '{metrics,metric_names,stat_uses}')
	) AS d (duty, is_view, names)
		CROSS JOIN LATERAL (SELECT d.is_view, u.n AS object_name FROM unnest(d.names) AS u (n)) AS o
	WHERE d.duty = duty_objects_internal.duty
$$;
COMMENT ON FUNCTION personalize.duty_objects_internal(text) IS
	'The one list of what each duty may call and read; names that do not exist are left out';

CREATE OR REPLACE FUNCTION personalize.duty_apply_internal(role_name name, duty text, give boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT format('EXECUTE ON FUNCTION %s', p.oid::regprocedure) AS what
			FROM personalize.duty_objects_internal(duty_apply_internal.duty) AS d
				JOIN pg_proc AS p ON p.proname = d.object_name AND NOT d.is_view
			WHERE p.pronamespace = 'personalize'::regnamespace
		UNION ALL
		SELECT format('SELECT ON %s', c.oid::regclass)
			FROM personalize.duty_objects_internal(duty_apply_internal.duty) AS d
				JOIN pg_class AS c ON c.relname = d.object_name AND d.is_view
			WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p', 'v')
		ORDER BY 1
	LOOP
		EXECUTE format(CASE WHEN give THEN 'GRANT %s TO %I' ELSE 'REVOKE %s FROM %I' END, o.what, role_name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.duty_apply_internal(name, text, boolean) IS
	'Grants or revokes the functions and views of a duty';

CREATE OR REPLACE FUNCTION personalize.assign_duty(role regrole, duty text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	holder name;
BEGIN
	PERFORM personalize.registry_begin_internal();
	holder := personalize.role_name_internal(assign_duty.role);
	IF assign_duty.duty IS NULL OR assign_duty.duty NOT IN ('app', 'officer', 'auditor', 'monitor') THEN
		RAISE EXCEPTION 'duty "%" is not known', personalize.shown_internal(coalesce(assign_duty.duty, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use app, officer, auditor or monitor.';
	END IF;
	INSERT INTO personalize.registry_duty (role_oid, role_name, duty)
		VALUES (assign_duty.role, holder, assign_duty.duty) ON CONFLICT DO NOTHING;
	PERFORM personalize.duty_apply_internal(holder, assign_duty.duty, true);
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.assign_duty(regrole, text) IS
	'Gives a role a duty: app records consent and asks for it, officer keeps the registry and serves rights, auditor reads usage, monitor reads metrics and nothing else';

CREATE OR REPLACE FUNCTION personalize.revoke_duty(role regrole, duty text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	holder name;
BEGIN
	PERFORM personalize.registry_begin_internal();
	holder := personalize.role_name_internal(revoke_duty.role);
	IF revoke_duty.duty IS NULL OR revoke_duty.duty NOT IN ('app', 'officer', 'auditor', 'monitor') THEN
		RAISE EXCEPTION 'duty "%" is not known', personalize.shown_internal(coalesce(revoke_duty.duty, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use app, officer, auditor or monitor.';
	END IF;
	DELETE FROM personalize.registry_duty AS d WHERE d.role_name = holder AND d.duty = revoke_duty.duty;
	PERFORM personalize.duty_apply_internal(holder, revoke_duty.duty, false);
	/* what another duty of the role also needs stays */
	PERFORM personalize.duty_apply_internal(holder, d.duty, true)
		FROM personalize.registry_duty AS d WHERE d.role_name = holder;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.revoke_duty(regrole, text) IS 'Takes a duty from a role';
