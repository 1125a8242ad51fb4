-- name: intake_paused(now)
-- Why intake is paused at this moment; no row: it runs.
SELECT reason FROM pause WHERE stage = 'intake' AND (expires_at IS NULL OR expires_at > :now);

-- name: insert_payment(payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency, client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id, nowpayments_pay_address, raw_outcome_text, outcome_currency, gross_wei, fee_wei, net_wei, conversion_status, parked_reason, now, due_at)
-- A payment, unless its payment_ref is there: payment_counted_once lets one of many deliveries win; no row for the rest.
INSERT INTO payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency,
       client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm,
       fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id, nowpayments_pay_address, raw_outcome_text,
       outcome_currency, gross_wei, fee_wei, net_wei, conversion_status, parked_reason, created_at, updated_at, due_at)
VALUES (:payment_ref, :request_hash, :user_id, :client_id, :client_wallet_address, :client_payout_currency,
       :client_payout_network, :subscription_id, :payment_timestamp, :raw_amount_text, :payment_amount_usd_micros, :fee_rate_ppm,
       :fee_usd_micros, :pending_usd_amount_micros, :nowpayments_payment_id, :nowpayments_pay_address, :raw_outcome_text,
       :outcome_currency, :gross_wei, :fee_wei, :net_wei, :conversion_status, :parked_reason, :now, :now, :due_at)
ON CONFLICT ON CONSTRAINT payment_counted_once DO NOTHING
RETURNING id;

-- name: payment_by_ref(payment_ref)
-- The payment that was recorded first under this payment_ref.
SELECT id, request_hash, pending_usd_amount_micros, conversion_status, parked_reason
  FROM payout_accumulation
 WHERE payment_ref = :payment_ref;
