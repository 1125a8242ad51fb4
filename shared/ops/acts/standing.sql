-- Everything that one matter consists of: a payment, or a batch (or instant payout) with its orders, requests, transfers.

-- name: find(name)
-- What an id names, exactly. One id may name several things of one matter; the first kind is the closest.
SELECT found.kind, found.key, found.batch, found.order_id
  FROM (SELECT 1 AS place, 'payment' AS kind, p.id::text AS key, p.batch_conversion_id AS batch, NULL::bigint AS order_id
          FROM payout_accumulation p WHERE p.payment_ref = :name OR p.nowpayments_payment_id = :name
        UNION ALL
        SELECT 2, 'batch', b.batch_conversion_id::text, b.batch_conversion_id, NULL
          FROM batch_conversions b WHERE b.batch_conversion_id::text = lower(:name)
        UNION ALL
        SELECT 3, 'request', r.unique_id, r.batch_conversion_id, r.order_id
          FROM hostpay_request r WHERE r.unique_id = :name
        UNION ALL
        SELECT 4, 'order', o.id::text, o.batch_conversion_id, o.id
          FROM exchange_order o WHERE o.cn_api_id = :name
        UNION ALL
        SELECT 5, 'transaction', t.unique_id, t.batch_conversion_id, t.order_id
          FROM attempt a
          JOIN slot s ON s.account_address = a.account_address AND s.chain_id = a.chain_id AND s.nonce = a.nonce
          JOIN transfer t ON t.unique_id = s.unique_id
         WHERE a.tx_hash = lower(:name)
        UNION ALL
        SELECT 6, 'transaction', t.unique_id, t.batch_conversion_id, t.order_id
          FROM slot s JOIN transfer t ON t.unique_id = s.unique_id
         WHERE lower(s.evidence ->> 'tx_hash') = lower(:name)
        UNION ALL
        SELECT 7, 'transaction', a.cn_api_id, a.batch_conversion_id, NULL
          FROM arrival a WHERE a.tx_hash = lower(:name)
        UNION ALL
        SELECT 8, 'transaction', o.id::text, o.batch_conversion_id, o.id
          FROM exchange_order o WHERE lower(:name) IN (lower(o.payin_hash), lower(o.payout_hash), lower(o.refund_hash))
        UNION ALL
        SELECT 9, 'payment', p.id::text, p.batch_conversion_id, NULL
          FROM payout_accumulation p WHERE p.id = CASE WHEN :name ~ '^[0-9]{1,18}$' THEN :name::bigint END) AS found
 ORDER BY found.place, found.order_id DESC NULLS LAST
 LIMIT 1;

-- name: payment(id)
-- One payment as it stands.
SELECT id, payment_ref, client_id, client_payout_currency, payment_amount_usd_micros, fee_usd_micros,
       pending_usd_amount_micros, outcome_currency, net_wei, conversion_status, parked_reason,
       batch_conversion_id::text AS batch_conversion_id, converted_usdt_amount_units, conversion_tx_hash, usdt_tx_hash,
       v1_batch_conversion_id::text AS v1_batch_conversion_id, created_at, updated_at, due_at
  FROM payout_accumulation
 WHERE id = :id;

-- name: batch(batch_conversion_id)
-- One batch as it stands.
SELECT batch_conversion_id::text AS batch_conversion_id, conversion_status, reason, funding, payment_count,
       total_pending_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, usdt_arrived_units, eth_tx_hash,
       usdt_tx_hash, attempts_forgiven, created_at, updated_at, due_at
  FROM batch_conversions
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: orders(batch_conversion_id, order_id)
-- Every attempt of a batch, or the one order of an instant payout, oldest first.
SELECT id, attempt_no, order_status, reason, amount_wei, cn_api_id, payin_address, exchange_status, payin_hash,
       payout_hash, refund_hash, updated_at, due_at
  FROM exchange_order
 WHERE CASE WHEN :batch_conversion_id::uuid IS NULL THEN id = :order_id ELSE batch_conversion_id = :batch_conversion_id END
 ORDER BY attempt_no, id;

-- name: requests(batch_conversion_id, order_id)
-- The conductor's requests, oldest first.
SELECT unique_id, context, order_id, cn_api_id, amount_wei, payin_address, request_status, reason, eth_tx_hash, polls,
       watching_since, updated_at, due_at
  FROM hostpay_request
 WHERE CASE WHEN :batch_conversion_id::uuid IS NULL THEN order_id = :order_id ELSE batch_conversion_id = :batch_conversion_id END
 ORDER BY created_at, unique_id;

-- name: transfers(batch_conversion_id, order_id)
-- The executor's transfers with their nonces, what a person decided about them, and what is asked and not answered.
SELECT t.unique_id, t.cn_api_id, t.order_id, t.to_address, t.value_wei, t.transfer_status, t.reason, t.superseded_by,
       t.updated_at, t.due_at, s.nonce, s.outcome, s.gas_wei, s.evidence ->> 'tx_hash' AS tx_hash,
       (SELECT max(a.included_block_number) FROM attempt a
         WHERE a.account_address = s.account_address AND a.chain_id = s.chain_id AND a.nonce = s.nonce) AS in_block,
       EXISTS (SELECT 1 FROM approval p WHERE p.action = 'repay' AND p.subject = t.unique_id) AS repayable,
       EXISTS (SELECT 1 FROM cancel_request c WHERE c.unique_id = t.unique_id) AS to_be_cancelled,
       (SELECT string_agg(k.action, ', ' ORDER BY k.id) FROM asked_approval k
         WHERE k.subject = t.unique_id AND k.taken_at IS NULL) AS asked,
       (SELECT k.action || ' refused: ' || k.answer FROM asked_approval k
         WHERE k.subject = t.unique_id AND k.outcome = 'refused' ORDER BY k.id DESC LIMIT 1) AS last_refusal
  FROM transfer t
  LEFT JOIN slot s ON s.unique_id = t.unique_id
 WHERE CASE WHEN :batch_conversion_id::uuid IS NULL THEN t.order_id = :order_id ELSE t.batch_conversion_id = :batch_conversion_id END
 ORDER BY t.created_at, t.unique_id;

-- name: arrivals(batch_conversion_id)
-- The USDT that arrived for a batch.
SELECT tx_hash, log_index, usdt_units, block_number
  FROM arrival
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: accounts()
-- The wallets.
SELECT address, chain_id, account_status, reason, next_nonce, updated_at
  FROM account
 ORDER BY address, chain_id;

-- name: lock_payment(id)
-- One payment, held until the end of this transaction.
SELECT id FROM payout_accumulation WHERE id = :id FOR NO KEY UPDATE;

-- name: lock_batch(batch_conversion_id)
-- One batch, held: the batcher opens, adopts and gives up orders only while it holds this row.
SELECT batch_conversion_id FROM batch_conversions WHERE batch_conversion_id = :batch_conversion_id FOR NO KEY UPDATE;

-- name: lock_request(unique_id)
-- One request, held: the conductor asks for payment only while it holds this row.
SELECT unique_id FROM hostpay_request WHERE unique_id = :unique_id FOR NO KEY UPDATE;
