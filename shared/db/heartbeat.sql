-- When the jobs of the scheduler ran: each marks itself in the commit of its work, everybody looks at all of them.

-- name: beat(job, at, silent_after)
-- The job runs now; of two at once the later one stays.
INSERT INTO heartbeat (job, beat_at, silent_after) VALUES (:job, :at, :silent_after)
ON CONFLICT ON CONSTRAINT heartbeat_is_one_per_job DO UPDATE
   SET beat_at = excluded.beat_at, silent_after = excluded.silent_after
 WHERE heartbeat.beat_at < excluded.beat_at;

-- name: silent_jobs(now)
-- Jobs that should have run again by now.
SELECT job, beat_at FROM heartbeat WHERE silent_after <= :now ORDER BY job;

-- name: count_jobs(now)
-- How many jobs are watched, and how many of them are silent.
SELECT count(*) AS watched, count(*) FILTER (WHERE silent_after <= :now) AS silent
  FROM heartbeat
 WHERE silent_after IS NOT NULL;
