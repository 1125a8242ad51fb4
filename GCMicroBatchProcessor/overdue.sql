-- What has been in one state for longer than the lifecycle allows.

-- name: over_threshold(threshold_usd_micros, before)
-- Since when the pending total is over the threshold (by when each payment became pending), and whether a batch came
-- after this time all the same: then it is only a long queue. Asked only while the total is over it (payment_pending).
SELECT (SELECT min(summed.at)
          FROM (SELECT updated_at AS at, sum(pending_usd_amount_micros) OVER (ORDER BY updated_at, id) AS total
                  FROM payout_accumulation
                 WHERE conversion_status = 'pending') AS summed
         WHERE summed.total >= :threshold_usd_micros) AS since,
       EXISTS (SELECT 1 FROM batch_conversions WHERE created_at > :before) AS batch_formed;

-- name: batches_in_state_since(states, befores, most)
-- Open batches that came into their state before the time that is paired with it (updated_at tells when).
SELECT b.batch_conversion_id, b.conversion_status, b.reason, b.ordered_wei, b.total_pending_usd_micros, b.updated_at AS since
  FROM batch_conversions AS b
  JOIN unnest(:states::text[], :befores::timestamptz[]) AS late (state, before) ON late.state = b.conversion_status
 WHERE b.updated_at <= late.before
 ORDER BY b.updated_at
 LIMIT :most;

-- name: orders_in_state_since(states, befores, most)
-- Open orders that came into their state before the time that is paired with it (history_by_subject tells when).
SELECT o.id, o.cn_api_id, o.batch_conversion_id, o.order_status, o.reason, o.amount_wei, entered.at AS since
  FROM exchange_order AS o
  JOIN unnest(:states::text[], :befores::timestamptz[]) AS late (state, before) ON late.state = o.order_status
 CROSS JOIN LATERAL (SELECT h.at FROM history AS h
                      WHERE h.machine = 'order' AND h.subject = o.id::text ORDER BY h.id DESC LIMIT 1) AS entered
 WHERE entered.at <= late.before
 ORDER BY entered.at
 LIMIT :most;
