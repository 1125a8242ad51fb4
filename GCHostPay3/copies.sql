-- name: slot_of(unique_id)
-- The transfer's slot, not locked.
SELECT nonce, gas_limit, hold_wei, outcome, evidence FROM slot WHERE unique_id = :unique_id;

-- name: newest_place(account_address, chain_id)
-- The newest place in the archive that this database relies on (index attempt_by_archive_number).
SELECT archive_number, archive_hash, tx_hash
  FROM attempt
 WHERE account_address = :account_address AND chain_id = :chain_id AND archive_number IS NOT NULL
 ORDER BY archive_number DESC
 LIMIT 1;

-- name: without_copy(account_address, chain_id, nonce)
-- Bytes of a nonce of which no copy is noted: never sent, or sent by an executor without an archive, or copy lost.
SELECT tx_hash
  FROM attempt
 WHERE account_address = :account_address AND chain_id = :chain_id AND nonce = :nonce AND archive_number IS NULL;

-- name: unknown_of(tx_hashes)
-- Those of the hashes that no stored attempt has.
SELECT told.tx_hash
  FROM unnest(:tx_hashes::text[]) AS told (tx_hash)
 WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE a.tx_hash = told.tx_hash);

-- name: note_place(tx_hash, archive_number, archive_hash)
-- Where the copy of these bytes is kept; one that is noted already stays.
UPDATE attempt
   SET archive_number = :archive_number, archive_hash = :archive_hash
 WHERE tx_hash = :tx_hash AND archive_number IS NULL;

-- name: order_paid_by(order_id)
-- The order that a transfer pays, for the copy of its bytes.
SELECT context, batch_conversion_id, attempt_no, from_currency, from_network, to_currency, to_network, amount_wei,
       payout_address, refund_address, cn_api_id, payin_address, expected_to_text, key_alias
  FROM exchange_order
 WHERE id = :order_id;

-- name: batch_paid_for(batch_conversion_id)
-- The batch that a transfer pays for, as it was claimed.
SELECT batch_conversion_id, funding, total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei,
       ordered_wei, dust_out_wei, expected_usdt_units, feed_answer, feed_decimals
  FROM batch_conversions
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: members_paid_for(batch_conversion_id)
-- The batch's live members by what names a payment for ever: its reference at the gateway.
SELECT p.payment_ref, m.weight_usd_micros, m.wei
  FROM batch_member m
  JOIN payout_accumulation p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = :batch_conversion_id AND m.live
 ORDER BY m.payment_id;

-- name: pause_batching(reason, paused_by, now)
-- No new batch is formed until a person resumes it; a pause that would end by itself is replaced.
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES ('batching', :reason, :paused_by, :now, NULL)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, expires_at = NULL
 WHERE pause.expires_at IS NOT NULL;
