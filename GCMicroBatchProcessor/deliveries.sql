-- Alerts on their way to the webhook. What an alert says is never changed; only its delivery is marked.

-- name: lock_due_alerts(now, most)
-- Undelivered alerts that may be tried now, the worst first, skipping what another sweep holds (index alert_undelivered).
SELECT id, delivery_attempts
  FROM alert
 WHERE delivered_at IS NULL AND (next_delivery_at IS NULL OR next_delivery_at <= :now)
 ORDER BY severity = 'critical' DESC, id
 LIMIT :most
   FOR UPDATE SKIP LOCKED;

-- name: hand_out(alert_ids, until)
-- Their tasks are kept in the outbox; if nothing is heard of them until then, the next sweep makes new ones.
UPDATE alert SET next_delivery_at = :until WHERE id = ANY(:alert_ids::bigint[]) AND delivered_at IS NULL;

-- name: alert_exists(alert_id)
-- Whether there is such an alert.
SELECT id FROM alert WHERE id = :alert_id;

-- name: take_attempt(alert_id, attempt, next_delivery_at)
-- One task gets the attempt of this number; for any other task, and for a delivered alert, there is no row.
UPDATE alert
   SET delivery_attempts = delivery_attempts + 1, next_delivery_at = :next_delivery_at
 WHERE id = :alert_id AND delivery_attempts = :attempt AND delivered_at IS NULL
RETURNING id, kind, severity, service, subject, message, money_at_risk, concerned_rows, runbook, next_step, dedupe_key, at;

-- name: mark_delivered(alert_id, now)
-- The sink accepted it; it is never sent again.
UPDATE alert SET delivered_at = :now, next_delivery_at = NULL WHERE id = :alert_id AND delivered_at IS NULL;

-- name: count_undelivered(before)
-- How many alerts have waited for the sink since before this time (index alert_undelivered).
SELECT count(*) AS undelivered FROM alert WHERE delivered_at IS NULL AND at <= :before;
