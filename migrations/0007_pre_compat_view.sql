-- What the predecessor's payout reader sees of this fleet: USDT that was credited, in the columns that it knows, and nothing else.

-- The reader sums accumulated_amount_usdt of whatever row has is_paid_out = FALSE; the predecessor kept dollars in that
-- column until a swap ended, so it could pay dollars out as if they were USDT. Here a row is there only when its payment
-- is completed, and the amount is its share of USDT that was seen on chain: payment_has_a_share_when_completed ties the
-- two together. The reader changes nothing here and so marks nothing here; deploy/decisions/0003-upgrade.md says how its
-- own marks are kept. The multiplications are exact: numeric, no division.
CREATE SCHEMA compat;
CREATE VIEW compat.payout_accumulation WITH (security_barrier = true) AS
SELECT id,
       client_id,
       user_id,
       subscription_id,
       (payment_amount_usd_micros * 0.000001)::numeric(18, 6) AS payment_amount_usd,
       (converted_usdt_amount_units * 0.000001)::numeric(18, 8) AS accumulated_amount_usdt,
       client_wallet_address,
       client_payout_currency,
       client_payout_network,
       conversion_status,
       batch_conversion_id,
       conversion_tx_hash,
       usdt_tx_hash,
       nowpayments_payment_id,
       nowpayments_pay_address,
       (gross_wei * 0.000000000000000001)::numeric(30, 18) AS nowpayments_outcome_amount,
       false AS is_paid_out,                   -- this fleet pays nobody out: the reader's own marks say who was paid
       NULL::text AS payout_batch_id,
       NULL::timestamp AS paid_out_at,
       created_at AT TIME ZONE 'UTC' AS created_at,
       updated_at AT TIME ZONE 'UTC' AS updated_at
  FROM public.payout_accumulation
 WHERE conversion_status = 'completed';
