-- What an import of the predecessor's open rows reads and writes, as the owner of the tables.

-- name: known(v1_row_ids, payment_refs)
-- The payments that are here already: imported before, or delivered to the intake since.
SELECT id, v1_row_id, payment_ref, request_hash, conversion_status
  FROM payout_accumulation
 WHERE v1_row_id = ANY (:v1_row_ids::bigint[]) OR payment_ref = ANY (:payment_refs::text[]);

-- name: insert_imported(payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency, client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id, nowpayments_pay_address, raw_outcome_text, outcome_currency, gross_wei, fee_wei, net_wei, conversion_status, parked_reason, v1_row_id, v1_batch_conversion_id, now, due_at)
-- A payment of the predecessor, as the intake would have written it; payment_counted_once and its v1_row_id refuse a second.
INSERT INTO payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency,
       client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm,
       fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id, nowpayments_pay_address, raw_outcome_text,
       outcome_currency, gross_wei, fee_wei, net_wei, conversion_status, parked_reason, v1_row_id, v1_batch_conversion_id,
       created_at, updated_at, due_at)
VALUES (:payment_ref, :request_hash, :user_id, :client_id, :client_wallet_address, :client_payout_currency,
       :client_payout_network, :subscription_id, :payment_timestamp, :raw_amount_text, :payment_amount_usd_micros, :fee_rate_ppm,
       :fee_usd_micros, :pending_usd_amount_micros, :nowpayments_payment_id, :nowpayments_pay_address, :raw_outcome_text,
       :outcome_currency, :gross_wei, :fee_wei, :net_wei, :conversion_status, :parked_reason, :v1_row_id, :v1_batch_conversion_id,
       :now, :now, :due_at)
RETURNING id;

-- name: park_delivered(id, parked_reason, v1_row_id, v1_batch_conversion_id, now, due_at)
-- A payment that the intake was told of once more, while the predecessor was swapping it: it must not be swapped here.
UPDATE payout_accumulation
   SET conversion_status = 'parked', parked_reason = :parked_reason, v1_row_id = :v1_row_id,
       v1_batch_conversion_id = :v1_batch_conversion_id, updated_at = :now, due_at = :due_at
 WHERE id = :id AND conversion_status IN ('pending', 'parked');

-- name: written(v1_row_ids)
-- What stands in the table for these rows, to be held against what was meant.
SELECT count(*) AS payments, coalesce(sum(pending_usd_amount_micros), 0) AS pending_usd_micros,
       coalesce(sum(net_wei), 0) AS net_wei
  FROM payout_accumulation
 WHERE v1_row_id = ANY (:v1_row_ids::bigint[]);
