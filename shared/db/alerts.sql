-- name: raise_alert(kind, dedupe_key, service, subject, message, evidence, at)
-- Tells a person once; the same dedupe_key again changes nothing (alert_is_told_once).
INSERT INTO alert (kind, dedupe_key, service, subject, message, evidence, at)
VALUES (:kind, :dedupe_key, :service, :subject, :message, :evidence::jsonb, :at)
ON CONFLICT ON CONSTRAINT alert_is_told_once DO NOTHING;

-- name: record_refused(service, route, caller, task_name, code, message, reference, at)
-- A task message that was refused for good; the queue was told 200 and will not repeat it.
INSERT INTO refused_message (service, route, caller, task_name, code, message, reference, at)
VALUES (:service, :route, :caller, :task_name, :code, :message, :reference, :at);
