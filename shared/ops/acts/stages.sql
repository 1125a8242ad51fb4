-- The pause of a stage.

-- name: pause_of(stage, now)
-- The pause of a stage that holds at this moment.
SELECT stage, reason, paused_by, paused_at, expires_at
  FROM pause
 WHERE stage = :stage AND (expires_at IS NULL OR expires_at > :now);

-- name: pause(stage, reason, paused_by, now, expires_at)
-- Pauses a stage. One that is paused is paused anew.
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES (:stage, :reason, :paused_by, :now, :expires_at)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at,
       expires_at = excluded.expires_at;

-- name: resume(stage, now)
-- The pause ends now; its row stays to tell who had paused.
UPDATE pause SET expires_at = :now WHERE stage = :stage AND (expires_at IS NULL OR expires_at > :now);

-- name: pauses(now)
-- The stages that are paused at this moment.
SELECT stage, reason, paused_by, paused_at, expires_at
  FROM pause
 WHERE expires_at IS NULL OR expires_at > :now
 ORDER BY stage;
