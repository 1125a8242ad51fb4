-- name: raise_alert(kind, dedupe_key, service, subject, message, evidence, at, severity, money_at_risk, concerned_rows, runbook, next_step)
-- Tells a person once; the same dedupe_key again changes nothing (alert_is_told_once).
INSERT INTO alert (kind, dedupe_key, service, subject, message, evidence, at, severity, money_at_risk, concerned_rows,
       runbook, next_step)
VALUES (:kind, :dedupe_key, :service, :subject, :message, :evidence::jsonb, :at, :severity, :money_at_risk::text[],
       :concerned_rows::text[], :runbook, :next_step)
ON CONFLICT ON CONSTRAINT alert_is_told_once DO NOTHING;

-- name: record_refused(service, route, caller, task_name, code, message, reference, at)
-- A task message that was refused for good; the queue was told 200 and will not repeat it.
INSERT INTO refused_message (service, route, caller, task_name, code, message, reference, at)
VALUES (:service, :route, :caller, :task_name, :code, :message, :reference, :at);
