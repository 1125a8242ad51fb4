-- name: pending()
-- The pending total and count (partial index payment_pending).
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments
  FROM payout_accumulation
 WHERE conversion_status = 'pending';

-- name: last_check()
-- The scheduler's last tick: what it read and what came of it.
SELECT at, threshold_usd_micros, outcome, reason FROM threshold_check ORDER BY id DESC LIMIT 1;

-- name: open_batches()
-- Batches that are not final.
SELECT batch_conversion_id::text AS batch_conversion_id, conversion_status, reason, payment_count,
       total_pending_usd_micros, ordered_wei, created_at
  FROM batch_conversions
 WHERE conversion_status NOT IN ('completed', 'released')
 ORDER BY created_at;

-- name: overdue(before)
-- Rows that are not final and whose deadline has passed, oldest first.
SELECT late.machine, late.name, late.state, late.due_at
  FROM (SELECT 'payment' AS machine, payment_ref AS name, conversion_status AS state, due_at FROM payout_accumulation
         WHERE due_at <= :before
        UNION ALL
        SELECT 'batch', batch_conversion_id::text, conversion_status, due_at FROM batch_conversions WHERE due_at <= :before
        UNION ALL
        SELECT 'request', unique_id, request_status, due_at FROM hostpay_request WHERE due_at <= :before
        UNION ALL
        SELECT 'transfer', unique_id, transfer_status, due_at FROM transfer WHERE due_at <= :before) AS late
 ORDER BY late.due_at
 LIMIT 1000;

-- name: alerts_since(after)
-- What a person was told since then, newest first.
SELECT kind, subject, message, at FROM alert WHERE at > :after ORDER BY id DESC LIMIT 1000;

-- name: unsent(before)
-- Messages whose task was not made although it is time.
SELECT count(*) AS messages, min(created_at) AS oldest FROM outbox WHERE sent_at IS NULL AND created_at <= :before;

-- name: open_asks()
-- What people asked the executor and it has not answered.
SELECT action, subject, asked_by, asked_at FROM asked_approval WHERE taken_at IS NULL ORDER BY id;
