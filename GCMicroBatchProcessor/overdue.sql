-- What has been in one state for longer than the lifecycle allows.

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
