-- What the demo reads, as an operator: nothing here changes anything.

-- name: history()
-- Everything that happened so far, in the order in which it was written.
SELECT id, machine, subject, event, evidence FROM history ORDER BY id;

-- name: payments()
-- Every payment that was recorded.
SELECT id, payment_ref, payment_amount_usd_micros, fee_usd_micros, pending_usd_amount_micros, gross_wei, fee_wei, net_wei,
       conversion_status, parked_reason, batch_conversion_id::text AS batch_conversion_id, converted_usdt_amount_units
  FROM payout_accumulation
 ORDER BY id;

-- name: batches()
-- Every batch with its order, its transfer and its arrival; the nonces are those its transfers ever got.
SELECT b.batch_conversion_id::text AS batch_conversion_id, b.conversion_status, b.reason, b.payment_count,
       b.total_pending_usd_micros, b.ordered_wei, b.dust_out_wei, o.cn_api_id, o.order_status, o.exchange_status,
       o.payin_address, o.payout_hash, a.usdt_units, a.tx_hash AS usdt_tx_hash,
       (SELECT count(DISTINCT s.nonce) FROM slot AS s JOIN transfer AS paid ON paid.unique_id = s.unique_id
         WHERE paid.batch_conversion_id = b.batch_conversion_id) AS distinct_nonces
  FROM batch_conversions AS b
  LEFT JOIN exchange_order AS o ON o.batch_conversion_id = b.batch_conversion_id
       AND o.order_status NOT IN ('sending', 'unknown', 'refused', 'abandoned')
  LEFT JOIN arrival AS a ON a.batch_conversion_id = b.batch_conversion_id
 ORDER BY b.created_at, b.batch_conversion_id;

-- name: transfers()
-- Every outgoing transfer with its slot and the attempt that went into a block.
SELECT t.unique_id, t.context, t.batch_conversion_id::text AS batch_conversion_id, t.cn_api_id, t.to_address, t.value_wei,
       t.transfer_status, t.reason, s.nonce, s.gas_wei, s.outcome,
       (SELECT a.tx_hash FROM attempt AS a
         WHERE a.account_address = s.account_address AND a.chain_id = s.chain_id AND a.nonce = s.nonce
         ORDER BY a.included_block_number NULLS LAST, a.seq DESC LIMIT 1) AS tx_hash,
       (SELECT max(a.included_block_number) FROM attempt AS a
         WHERE a.account_address = s.account_address AND a.chain_id = s.chain_id AND a.nonce = s.nonce) AS block_number
  FROM transfer AS t
  LEFT JOIN slot AS s ON s.unique_id = t.unique_id
 ORDER BY t.created_at, t.unique_id;

-- name: requests()
-- Every request of the conductor with its order.
SELECT r.unique_id, r.context, r.batch_conversion_id::text AS batch_conversion_id, r.cn_api_id, r.amount_wei,
       r.payin_address, r.request_status, r.reason, r.eth_tx_hash, o.order_status, o.exchange_status, o.payout_hash
  FROM hostpay_request AS r
  JOIN exchange_order AS o ON o.id = r.order_id
 ORDER BY r.created_at, r.unique_id;

-- name: alerts()
-- What a person should know.
SELECT kind, subject, message FROM alert ORDER BY id;
