-- What an alert says to whoever is on call, whether it has been delivered, and when the scheduler was last heard of.

-- The record of an alert is written whole in the commit that causes it; only its delivery is marked afterwards.
ALTER TABLE alert ADD COLUMN severity text NOT NULL DEFAULT 'warning';
ALTER TABLE alert ADD COLUMN money_at_risk text[] NOT NULL DEFAULT '{}'; -- amounts with their asset
ALTER TABLE alert ADD COLUMN concerned_rows text[] NOT NULL DEFAULT '{}'; -- "batch <id>", "payment 7", ...
ALTER TABLE alert ADD COLUMN runbook text NOT NULL DEFAULT '';
ALTER TABLE alert ADD COLUMN next_step text NOT NULL DEFAULT '';
ALTER TABLE alert ADD COLUMN delivery_attempts integer NOT NULL DEFAULT 0; -- each number is sent by one task only
ALTER TABLE alert ADD COLUMN next_delivery_at timestamptz;                 -- null: at once
ALTER TABLE alert ADD COLUMN delivered_at timestamptz;                     -- when the sink accepted it
ALTER TABLE alert ADD CONSTRAINT alert_severity_is_known CHECK (severity IN ('critical', 'warning', 'notice'));
ALTER TABLE alert ADD CONSTRAINT alert_attempts_are_counted CHECK (delivery_attempts >= 0);
CREATE INDEX alert_undelivered ON alert (id) WHERE delivered_at IS NULL;

-- When each job of the scheduler last ran, and from when on its silence is a trouble (null: it runs on request only).
CREATE TABLE heartbeat (
    job text NOT NULL,
    beat_at timestamptz NOT NULL,
    silent_after timestamptz,
    CONSTRAINT heartbeat_is_one_per_job PRIMARY KEY (job)
);
