-- name: verdict(name)
-- The newest transfer with a nonce of this request, order or batch: its verdict, and the order that it was to pay.
SELECT t.unique_id, t.transfer_status, t.account_address, t.chain_id, s.nonce, s.outcome, s.evidence, o.cn_api_id,
       o.amount_wei, o.payin_address
  FROM transfer t
  JOIN slot s ON s.unique_id = t.unique_id
  JOIN exchange_order o ON o.id = t.order_id
 WHERE t.unique_id = :name OR o.cn_api_id = :name OR t.batch_conversion_id::text = :name
 ORDER BY s.reserved_at DESC, s.nonce DESC
 LIMIT 1;

-- name: state_without_nonce(name)
-- The state of a transfer of this name that never had a nonce.
SELECT t.unique_id, t.transfer_status, t.reason
  FROM transfer t
  JOIN exchange_order o ON o.id = t.order_id
 WHERE t.unique_id = :name OR o.cn_api_id = :name OR t.batch_conversion_id::text = :name
 ORDER BY t.created_at DESC
 LIMIT 1;

-- name: bytes_of(account_address, chain_id, nonce)
-- All stored bytes of a nonce, oldest first.
SELECT raw
  FROM attempt
 WHERE account_address = :account_address AND chain_id = :chain_id AND nonce = :nonce
 ORDER BY seq;
