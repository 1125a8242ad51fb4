-- name: paused(stage, now)
-- Why a stage is paused at this moment; no row: it runs.
SELECT reason, paused_by, expires_at
  FROM pause
 WHERE stage = :stage AND (expires_at IS NULL OR expires_at > :now);

-- name: pause_stage(stage, reason, paused_by, now)
-- Pauses a stage until a person resumes it; a pause that would end by itself is replaced, any other keeps its reason.
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES (:stage, :reason, :paused_by, :now, NULL)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, expires_at = NULL
 WHERE pause.expires_at IS NOT NULL;

-- name: pending_total()
-- The pending total and count, from the partial index payment_pending alone.
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments
  FROM payout_accumulation
 WHERE conversion_status = 'pending';

-- name: overdue_payments(now)
-- Pending payments past their deadline; relies on payment_pending.
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments, min(id) AS oldest
  FROM payout_accumulation
 WHERE conversion_status = 'pending' AND due_at <= :now;

-- name: pending_payments(most)
-- Pending payments by id: what the next batch would take. Nothing is locked.
SELECT id, pending_usd_amount_micros, net_wei, client_wallet_address
  FROM payout_accumulation
 WHERE conversion_status = 'pending'
 ORDER BY id
 LIMIT :most;

-- name: lock_pending_without_wei(most)
-- Pending payments of which nobody said how much ETH arrived; locked, skipping what another tick holds.
SELECT id, pending_usd_amount_micros, net_wei, client_wallet_address
  FROM payout_accumulation
 WHERE conversion_status = 'pending' AND net_wei IS NULL
 ORDER BY id
 LIMIT :most
   FOR UPDATE SKIP LOCKED;

-- name: lock_forming()
-- One batch is formed at a time: the carried dust and the claim are read and written under this lock.
SELECT pg_advisory_xact_lock(7236501) IS NULL AS locked;

-- name: lock_pending_by_id(ids)
-- The same payments again, now locked; one that another tick has taken is missing.
SELECT id, pending_usd_amount_micros, net_wei, client_wallet_address
  FROM payout_accumulation
 WHERE id = ANY(:ids) AND conversion_status = 'pending'
 ORDER BY id
   FOR UPDATE;

-- name: carried_dust()
-- ETH below the exchange's last decimal, carried by earlier batches: a credit balance of the books' dust account. Relies
-- on book_entry_of_dust, or it would read the whole books.
SELECT coalesce(-sum(amount), 0) AS dust_wei
  FROM book_entry
 WHERE account = 'dust' AND asset = 'ETH';

-- name: insert_batch(batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, expected_usdt_units, feed_answer, feed_decimals, now, due_at)
-- A new batch, with every figure that decided it.
INSERT INTO batch_conversions (batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros,
       threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, expected_usdt_units, feed_answer,
       feed_decimals, created_at, updated_at, due_at)
VALUES (:batch_conversion_id, :conversion_status, :funding, :payment_count, :total_pending_usd_micros,
       :threshold_usd_micros, :members_wei, :dust_in_wei, :ordered_wei, :dust_out_wei, :expected_usdt_units, :feed_answer,
       :feed_decimals, :now, :now, :due_at);

-- name: insert_members(batch_conversion_id, payment_ids, weights_usd_micros, weis)
-- The batch's payments with the weight and wei each brings; payment_is_in_one_live_batch refuses a second batch.
INSERT INTO batch_member (batch_conversion_id, payment_id, weight_usd_micros, wei, live)
SELECT :batch_conversion_id, m.payment_id, m.weight_usd_micros, m.wei, true
  FROM unnest(:payment_ids::bigint[], :weights_usd_micros::bigint[], :weis::numeric[]) AS m (payment_id, weight_usd_micros, wei);

-- name: claim_payments(batch_conversion_id, payment_ids, now, due_at)
-- Takes the locked payments into the batch.
UPDATE payout_accumulation
   SET conversion_status = 'swapping', batch_conversion_id = :batch_conversion_id, updated_at = :now, due_at = :due_at
 WHERE id = ANY(:payment_ids) AND conversion_status = 'pending';

-- name: park_payments(payment_ids, reason, now, due_at)
-- Payments that cannot be batched as they stand wait for a person.
UPDATE payout_accumulation
   SET conversion_status = 'parked', parked_reason = :reason, updated_at = :now, due_at = :due_at
 WHERE id = ANY(:payment_ids) AND conversion_status = 'pending';

-- name: insert_order(batch_conversion_id, attempt_no, order_status, amount_wei, payout_address, refund_address, expected_to_text, key_alias, now, due_at)
-- The intent to open an order, written before the exchange is asked; order_attempt_is_numbered_once lets one of two sweeps win.
INSERT INTO exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency, from_network, to_currency,
       to_network, amount_wei, payout_address, refund_address, expected_to_text, key_alias, sent_at, created_at, updated_at, due_at)
VALUES ('batch', :batch_conversion_id, :attempt_no, :order_status, 'eth', 'eth', 'usdt',
       'eth', :amount_wei, :payout_address, :refund_address, :expected_to_text, :key_alias, :now, :now, :now, :due_at)
RETURNING id;

-- name: lock_batch(batch_conversion_id)
-- The batch's row, locked. NO KEY: the conductor's arrival may refer to it meanwhile, else the two wait for each other.
SELECT batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros, members_wei, dust_in_wei,
       ordered_wei, dust_out_wei, expected_usdt_units, usdt_arrived_units, eth_tx_hash, usdt_tx_hash, reason, due_at,
       updated_at, attempts_forgiven
  FROM batch_conversions
 WHERE batch_conversion_id = :batch_conversion_id
   FOR NO KEY UPDATE;

-- name: lock_order(order_id)
-- One order attempt, locked.
SELECT id, batch_conversion_id, attempt_no, order_status, cn_api_id, payin_address, amount_wei
  FROM exchange_order
 WHERE id = :order_id
   FOR NO KEY UPDATE;

-- name: lock_orders(batch_conversion_id)
-- Every order attempt of a batch, oldest first, locked.
SELECT id, batch_conversion_id, attempt_no, order_status, cn_api_id, payin_address, amount_wei
  FROM exchange_order
 WHERE batch_conversion_id = :batch_conversion_id
 ORDER BY attempt_no
   FOR NO KEY UPDATE;

-- name: set_order(order_id, order_status, reason, cn_api_id, payin_address, expected_to_text, now, due_at)
-- What the exchange answered, and the state that follows; what was known is never nulled.
UPDATE exchange_order
   SET order_status = :order_status, reason = coalesce(:reason, reason), cn_api_id = coalesce(:cn_api_id, cn_api_id),
       payin_address = coalesce(:payin_address, payin_address), expected_to_text = coalesce(:expected_to_text, expected_to_text),
       updated_at = :now, due_at = :due_at
 WHERE id = :order_id;

-- name: set_batch(batch_conversion_id, conversion_status, reason, now, due_at)
-- The batch's next state.
UPDATE batch_conversions
   SET conversion_status = :conversion_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: postpone_batch(batch_conversion_id, due_at)
-- When the sweep looks at this batch again; its state stays.
UPDATE batch_conversions SET due_at = :due_at WHERE batch_conversion_id = :batch_conversion_id;

-- name: complete_batch(batch_conversion_id, usdt_arrived_units, eth_tx_hash, usdt_tx_hash, now)
-- The batch has its arrival and both transaction hashes.
UPDATE batch_conversions
   SET conversion_status = 'completed', reason = NULL, usdt_arrived_units = :usdt_arrived_units, eth_tx_hash = :eth_tx_hash,
       usdt_tx_hash = :usdt_tx_hash, updated_at = :now, due_at = NULL
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: arrival_of(batch_conversion_id)
-- What was seen arriving on chain for this batch: the only figure that is shared out.
SELECT tx_hash, log_index, cn_api_id, usdt_units
  FROM arrival
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: request_of(batch_conversion_id)
-- The conductor's request for this batch: its ETH transaction, and its own word on how it ended.
SELECT unique_id, cn_api_id, request_status, eth_tx_hash, reason
  FROM hostpay_request
 WHERE batch_conversion_id = :batch_conversion_id
 ORDER BY created_at DESC
 LIMIT 1;

-- name: transfer_of(order_id)
-- The executor's row for this order, and whether a person approved that another one takes its place.
SELECT t.transfer_status, t.reason,
       EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id) AS repayable
  FROM transfer t
 WHERE t.order_id = :order_id;

-- name: lock_members(batch_conversion_id)
-- The live members by payment id (the order that decides ties), with their payments locked.
SELECT m.payment_id, m.weight_usd_micros, m.wei, p.pending_usd_amount_micros, p.net_wei, p.conversion_status
  FROM batch_member AS m
  JOIN payout_accumulation AS p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = :batch_conversion_id AND m.live
 ORDER BY m.payment_id
   FOR UPDATE OF p;

-- name: credit_members(batch_conversion_id, payment_ids, shares_usdt_units)
-- Each member's share.
UPDATE batch_member AS m
   SET share_usdt_units = s.share
  FROM unnest(:payment_ids::bigint[], :shares_usdt_units::bigint[]) AS s (payment_id, share)
 WHERE m.batch_conversion_id = :batch_conversion_id AND m.payment_id = s.payment_id AND m.live;

-- name: credit_payments(batch_conversion_id, payment_ids, shares_usdt_units, eth_tx_hash, usdt_tx_hash, now)
-- Each payment's share and both transaction hashes; the weight stays as it was.
UPDATE payout_accumulation AS p
   SET conversion_status = 'completed', converted_usdt_amount_units = s.share, conversion_tx_hash = :eth_tx_hash,
       usdt_tx_hash = :usdt_tx_hash, updated_at = :now, due_at = NULL
  FROM unnest(:payment_ids::bigint[], :shares_usdt_units::bigint[]) AS s (payment_id, share)
 WHERE p.id = s.payment_id AND p.batch_conversion_id = :batch_conversion_id AND p.conversion_status = 'swapping';

-- name: release_members(batch_conversion_id)
-- The memberships end; their rows stay to tell who was in the batch.
UPDATE batch_member SET live = false WHERE batch_conversion_id = :batch_conversion_id AND live;

-- name: release_payments(batch_conversion_id, now, due_at)
-- The payments are pending again, with the wei they came with.
UPDATE payout_accumulation
   SET conversion_status = 'pending', batch_conversion_id = NULL, updated_at = :now, due_at = :due_at
 WHERE batch_conversion_id = :batch_conversion_id AND conversion_status = 'swapping';

-- name: record_threshold_check(at, total_pending_usd_micros, threshold_usd_micros, outcome, reason, batch_conversion_id)
-- One row per tick.
INSERT INTO threshold_check (at, total_pending_usd_micros, threshold_usd_micros, outcome, reason, batch_conversion_id)
VALUES (:at, :total_pending_usd_micros, :threshold_usd_micros, :outcome, :reason, :batch_conversion_id);

-- name: batches_past_due(now, most)
-- Batches in which nothing happened in time, longest overdue first (index batch_by_due).
SELECT batch_conversion_id, conversion_status
  FROM batch_conversions
 WHERE due_at <= :now
 ORDER BY due_at
 LIMIT :most;
