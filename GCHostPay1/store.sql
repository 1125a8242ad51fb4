-- name: order_of_batch(batch_conversion_id, cn_api_id)
-- The order that the batcher adopted for a batch, and nothing else.
SELECT o.id, o.context, o.order_status, o.cn_api_id, o.payin_address, o.amount_wei, o.from_currency, o.from_network,
       o.to_currency, o.to_network, o.payout_address, o.batch_conversion_id
  FROM exchange_order AS o
 WHERE o.batch_conversion_id = :batch_conversion_id AND o.cn_api_id = :cn_api_id;

-- name: order_by_cn_api_id(cn_api_id)
-- Any order of ours with this id at the exchange (order_id_is_used_once).
SELECT id, context, order_status, cn_api_id, payin_address, amount_wei, from_currency, from_network, to_currency,
       to_network, payout_address, batch_conversion_id
  FROM exchange_order
 WHERE cn_api_id = :cn_api_id;

-- name: lock_order(order_id)
-- One order, locked.
SELECT id, context, order_status, cn_api_id, payin_address, amount_wei, from_currency, from_network, to_currency,
       to_network, payout_address, batch_conversion_id
  FROM exchange_order
 WHERE id = :order_id
   FOR UPDATE;

-- name: insert_instant_order(order_status, from_currency, from_network, to_currency, to_network, amount_wei, payout_address, refund_address, cn_api_id, payin_address, expected_to_text, exchange_status, key_alias, now, due_at)
-- An upstream's order as it was read at the exchange; no row when the id is already ours.
INSERT INTO exchange_order (context, attempt_no, order_status, from_currency, from_network, to_currency, to_network, amount_wei,
       payout_address, refund_address, cn_api_id, payin_address, expected_to_text, exchange_status, key_alias,
       created_at, updated_at, due_at)
VALUES ('instant', 1, :order_status, :from_currency, :from_network, :to_currency, :to_network, :amount_wei,
       :payout_address, :refund_address, :cn_api_id, :payin_address, :expected_to_text, :exchange_status, :key_alias,
       :now, :now, :due_at)
ON CONFLICT ON CONSTRAINT order_id_is_used_once DO NOTHING
RETURNING id;

-- name: set_order(order_id, order_status, reason, now, due_at)
-- The order's next state; no second order is refunded by one transaction (refund_is_counted_once).
UPDATE exchange_order
   SET order_status = :order_status, reason = coalesce(:reason, reason), updated_at = :now, due_at = :due_at
 WHERE id = :order_id;

-- name: note_hints(order_id, exchange_status, payin_hash, payout_hash, refund_hash, now)
-- What the exchange says now; what it told before is never lost because it tells less today.
UPDATE exchange_order
   SET exchange_status = :exchange_status, payin_hash = coalesce(:payin_hash, payin_hash),
       payout_hash = coalesce(:payout_hash, payout_hash), refund_hash = coalesce(:refund_hash, refund_hash), updated_at = :now
 WHERE id = :order_id;

-- name: insert_request(unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, now, due_at)
-- A request, unless its unique_id is there (request_is_named_once) or its order has one (request_is_one_per_order).
INSERT INTO hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address,
       request_status, polls, created_at, updated_at, due_at)
VALUES (:unique_id, :context, :batch_conversion_id, :order_id, :cn_api_id, :amount_wei, :payin_address,
       :request_status, 0, :now, :now, :due_at)
ON CONFLICT DO NOTHING
RETURNING unique_id;

-- name: request(unique_id)
-- A request as it is now, nothing locked.
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE unique_id = :unique_id;

-- name: lock_request(unique_id)
-- A request, locked.
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE unique_id = :unique_id
   FOR UPDATE;

-- name: lock_request_of_order(batch_conversion_id, cn_api_id)
-- The request that pays this order, locked; request_is_one_per_order.
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE batch_conversion_id = :batch_conversion_id AND cn_api_id = :cn_api_id
   FOR UPDATE;

-- name: requests_of_batch(batch_conversion_id)
-- How many requests a batch has had, one per adopted order, and one of them that was not abandoned.
SELECT count(*) AS requests, min(cn_api_id) FILTER (WHERE request_status <> 'abandoned') AS not_abandoned
  FROM hostpay_request
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: lock_request_unless_busy(unique_id)
-- A request, locked; no row when another transaction holds it.
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE unique_id = :unique_id
   FOR UPDATE SKIP LOCKED;

-- name: set_request(unique_id, request_status, reason, now, due_at)
-- The request's next state.
UPDATE hostpay_request
   SET request_status = :request_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE unique_id = :unique_id;

-- name: set_reason(unique_id, reason, now)
-- Why the request waits, when that changes and its state does not.
UPDATE hostpay_request SET reason = :reason, updated_at = :now WHERE unique_id = :unique_id;

-- name: start_watching(unique_id, request_status, eth_tx_hash, now, due_at)
-- The order is paid for good: watch it from now on.
UPDATE hostpay_request
   SET request_status = :request_status, reason = NULL, eth_tx_hash = :eth_tx_hash, watching_since = :now,
       updated_at = :now, due_at = :due_at
 WHERE unique_id = :unique_id;

-- name: count_poll(unique_id, polls, now, due_at)
-- One more look was taken; the next is due then.
UPDATE hostpay_request SET polls = :polls, updated_at = :now, due_at = :due_at WHERE unique_id = :unique_id;

-- name: postpone_request(unique_id, due_at)
-- When the sweep looks at this request again; its state stays.
UPDATE hostpay_request SET due_at = :due_at WHERE unique_id = :unique_id;

-- name: requests_past_due(now, most)
-- Requests in which nothing happened in time, longest overdue first (index request_by_due).
SELECT unique_id, request_status
  FROM hostpay_request
 WHERE due_at <= :now
 ORDER BY due_at
 LIMIT :most;

-- name: requests_in_state_since(states, befores, most)
-- Open requests that entered their state before the time that is paired with it (history_by_subject tells when).
SELECT r.unique_id, r.request_status, r.reason, r.amount_wei, entered.at AS since
  FROM hostpay_request AS r
  JOIN unnest(:states::text[], :befores::timestamptz[]) AS late (state, before) ON late.state = r.request_status
 CROSS JOIN LATERAL (SELECT h.at FROM history AS h
                      WHERE h.machine = 'request' AND h.subject = r.unique_id ORDER BY h.id DESC LIMIT 1) AS entered
 WHERE r.due_at IS NOT NULL AND entered.at <= late.before
 ORDER BY entered.at
 LIMIT :most;

-- name: transfer_of(unique_id)
-- The executor's own word on the transfer, with the transaction that its proof names, and whether a person approved
-- that another transfer takes its place.
SELECT t.transfer_status, t.value_wei, t.to_address, t.cn_api_id, t.reason, s.evidence ->> 'tx_hash' AS tx_hash,
       EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id) AS repayable
  FROM transfer AS t
  LEFT JOIN slot AS s ON s.unique_id = t.unique_id
 WHERE t.unique_id = :unique_id;

-- name: paid_in_block(unique_id)
-- The block of our payment, as the executor's proof names it.
SELECT (evidence ->> 'block_number')::bigint AS block_number
  FROM slot
 WHERE unique_id = :unique_id;

-- name: insert_arrival(tx_hash, log_index, batch_conversion_id, cn_api_id, token_contract, from_address, to_address, usdt_units, block_number, block_hash, now)
-- USDT seen on chain; no row when this log is already counted, or the batch already has its arrival.
INSERT INTO arrival (tx_hash, log_index, batch_conversion_id, cn_api_id, token_contract, from_address, to_address,
       usdt_units, block_number, block_hash, recorded_at)
VALUES (:tx_hash, :log_index, :batch_conversion_id, :cn_api_id, :token_contract, :from_address, :to_address,
       :usdt_units, :block_number, :block_hash, :now)
ON CONFLICT DO NOTHING
RETURNING tx_hash;

-- name: logs_claimed(tx_hash)
-- The log indexes of this transaction that are already counted, for whichever batch.
SELECT log_index FROM arrival WHERE tx_hash = :tx_hash;
