-- name: insert_payment(payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency, client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id, nowpayments_pay_address, raw_outcome_text, outcome_currency, gross_wei, fee_wei, net_wei, conversion_status, parked_reason, now, due_at, machine, from_state, event, trace, evidence, posting_event, lines, assets, accounts, amounts)
-- A payment with its story and its books, all or nothing and in one round trip: always one row, with the new id, or with
-- null when its payment_ref is there (payment_counted_once lets one of many deliveries win) or while intake is paused.
WITH paused AS (
    SELECT reason FROM pause WHERE stage = 'intake' AND (expires_at IS NULL OR expires_at > :now)
), recorded AS (
    INSERT INTO payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency,
           client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm,
           fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id, nowpayments_pay_address, raw_outcome_text,
           outcome_currency, gross_wei, fee_wei, net_wei, conversion_status, parked_reason, created_at, updated_at, due_at)
    SELECT :payment_ref, :request_hash, :user_id, :client_id, :client_wallet_address, :client_payout_currency,
           :client_payout_network, :subscription_id, :payment_timestamp, :raw_amount_text, :payment_amount_usd_micros, :fee_rate_ppm,
           :fee_usd_micros, :pending_usd_amount_micros, :nowpayments_payment_id, :nowpayments_pay_address, :raw_outcome_text,
           :outcome_currency, :gross_wei, :fee_wei, :net_wei, :conversion_status, :parked_reason, :now, :now, :due_at
     WHERE NOT EXISTS (SELECT 1 FROM paused)
    ON CONFLICT ON CONSTRAINT payment_counted_once DO NOTHING
    RETURNING id
), told AS (
    INSERT INTO history (machine, subject, from_state, to_state, event, at, trace, evidence)
    SELECT :machine, id::text, :from_state, :conversion_status, :event, :now, :trace, :evidence::jsonb FROM recorded
), posted AS (
    INSERT INTO posting (event, subject, at, trace)
    SELECT :posting_event, :payment_ref, :now, :trace FROM recorded WHERE cardinality(:lines::smallint[]) > 0
    RETURNING id
), entered AS (
    INSERT INTO book_entry (posting_id, line, asset, account, amount)
    SELECT posted.id, entry.line, entry.asset, entry.account, entry.amount
      FROM posted
     CROSS JOIN unnest(:lines::smallint[], :assets::text[], :accounts::text[], :amounts::numeric[])
        AS entry (line, asset, account, amount)
)
SELECT (SELECT id FROM recorded) AS id, (SELECT reason FROM paused) AS paused;

-- name: payment_by_ref(payment_ref)
-- The payment that was recorded first under this payment_ref.
SELECT id, request_hash, pending_usd_amount_micros, conversion_status, parked_reason
  FROM payout_accumulation
 WHERE payment_ref = :payment_ref;
