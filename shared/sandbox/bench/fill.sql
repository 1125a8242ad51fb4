-- The rows that a measurement begins with, made by generate_series into the real tables with their real indexes. Checks
-- and unique rules hold; triggers (foreign keys, the balance of a posting) are off for the session, or a million rows
-- would take minutes instead of seconds: what is made here is right by construction, and a test says so.

-- name: batches(first, last, members, status, arrived_units, now)
-- Batches with numbers from first to last, of so many payments each; the number is the end of the batch's id.
INSERT INTO batch_conversions (batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros,
       threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, expected_usdt_units, feed_answer,
       feed_decimals, usdt_arrived_units, eth_tx_hash, usdt_tx_hash, created_at, updated_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, :status, 'received', :members::integer, :members::bigint * 17000000, 1,
       :members::numeric * 6800000000000000, 0, :members::numeric * 6800000000000000, 0, :members::bigint * 17000000,
       250000000000, 8, :arrived_units,
       CASE WHEN :arrived_units::bigint IS NULL THEN NULL ELSE '0x' || lpad(to_hex(n), 64, 'e') END,
       CASE WHEN :arrived_units::bigint IS NULL THEN NULL ELSE '0x' || lpad(to_hex(n), 64, 'd') END, :now, :now
  FROM generate_series(:first::bigint, :last::bigint) AS n;

-- name: payments(kind, count, members, first_batch, status, share_units, now)
-- Payments of 20 USD less 15 %, each with 0.008 ETH. first_batch null: in no batch; else so many per batch from that on.
INSERT INTO payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address,
       client_payout_currency, client_payout_network, subscription_id, payment_timestamp, raw_amount_text,
       payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id,
       nowpayments_pay_address, raw_outcome_text, outcome_currency, gross_wei, fee_wei, net_wei, conversion_status,
       batch_conversion_id, converted_usdt_amount_units, conversion_tx_hash, usdt_tx_hash, created_at, updated_at)
SELECT :kind || '-' || n, md5(n::text) || md5(n::text), n, '-1003296084379',
       '0x2915767890A6FbF031DCe70E1b80D987Dc3a2922', 'usdt', 'eth', 101, '2026-11-20T20:17:00.000007', '20.00',
       20000000, 150000, 3000000, 17000000, :kind || '-' || n, '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
       '0.008', 'eth', 8000000000000000, 1200000000000000, 6800000000000000, :status, b.id, :share_units,
       CASE WHEN :share_units::bigint IS NULL THEN NULL ELSE '0x' || repeat('e', 64) END,
       CASE WHEN :share_units::bigint IS NULL THEN NULL ELSE '0x' || repeat('d', 64) END, :now, :now
  FROM generate_series(0, :count::bigint - 1) AS n
 CROSS JOIN LATERAL (SELECT lpad(to_hex(:first_batch::bigint + n / :members::bigint), 32, '0')::uuid AS id) AS b;

-- name: members(first, last)
-- The memberships of the payments in batches with numbers from first to last.
INSERT INTO batch_member (batch_conversion_id, payment_id, weight_usd_micros, wei, share_usdt_units, live)
SELECT batch_conversion_id, id, pending_usd_amount_micros, net_wei, converted_usdt_amount_units, true
  FROM payout_accumulation
 WHERE batch_conversion_id BETWEEN lpad(to_hex(:first::bigint), 32, '0')::uuid AND lpad(to_hex(:last::bigint), 32, '0')::uuid
 ORDER BY id;

-- name: story(first, last, from_state, to_state, event, now)
-- One move of every payment in those batches, in the history.
INSERT INTO history (machine, subject, from_state, to_state, event, at, trace, evidence)
SELECT 'payment', id::text, :from_state, :to_state, :event, :now, repeat('0', 32),
       jsonb_build_object('batch_conversion_id', batch_conversion_id)
  FROM payout_accumulation
 WHERE batch_conversion_id BETWEEN lpad(to_hex(:first::bigint), 32, '0')::uuid AND lpad(to_hex(:last::bigint), 32, '0')::uuid
 ORDER BY id;

-- name: books(first, last, now)
-- What intake booked for each of these payments: a posting, and its three entries, which sum to zero.
WITH made AS (
    INSERT INTO posting (event, subject, trace, at)
    SELECT 'payment_received', payment_ref, repeat('0', 32), :now
      FROM payout_accumulation
     WHERE batch_conversion_id BETWEEN lpad(to_hex(:first::bigint), 32, '0')::uuid
                                   AND lpad(to_hex(:last::bigint), 32, '0')::uuid
     ORDER BY id
    RETURNING id
)
INSERT INTO book_entry (posting_id, line, asset, account, amount)
SELECT made.id, entry.line, 'ETH', entry.account, entry.amount
  FROM made
 CROSS JOIN (VALUES (1, 'gateway_receivable', 8000000000000000), (2, 'clients_pending', -6800000000000000),
                    (3, 'platform_fee', -1200000000000000)) AS entry (line, account, amount)
 ORDER BY made.id, entry.line;

-- name: orders(first, last, members, now)
-- The order of every batch with a number from first to last: paid, finished.
INSERT INTO exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency, from_network,
       to_currency, to_network, amount_wei, payout_address, cn_api_id, payin_address, key_alias, created_at, updated_at)
SELECT 'batch', lpad(to_hex(n), 32, '0')::uuid, 1, 'finished', 'eth', 'eth', 'usdt', 'eth',
       :members::numeric * 6800000000000000, '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266', 'order-' || n,
       '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc', 'primary', :now, :now
  FROM generate_series(:first::bigint, :last::bigint) AS n;

-- name: requests(first, last, now)
-- Their requests, reported.
INSERT INTO hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address,
       request_status, eth_tx_hash, polls, created_at, updated_at)
SELECT 'batch_' || batch_conversion_id, 'batch', batch_conversion_id, id, cn_api_id, amount_wei, payin_address, 'reported',
       '0x' || lpad(to_hex(id), 64, 'e'), 1, :now, :now
  FROM exchange_order
 WHERE batch_conversion_id BETWEEN lpad(to_hex(:first::bigint), 32, '0')::uuid AND lpad(to_hex(:last::bigint), 32, '0')::uuid;

-- name: arrivals(first, last, units, now)
-- And the USDT that was seen arriving for each.
INSERT INTO arrival (tx_hash, log_index, batch_conversion_id, cn_api_id, token_contract, from_address, to_address,
       usdt_units, block_number, block_hash, recorded_at)
SELECT '0x' || lpad(to_hex(n), 64, 'd'), 0, lpad(to_hex(n), 32, '0')::uuid, 'order-' || n, '0xdAC1', '0x3C44', '0xf39F',
       :units::bigint, n, '0x' || lpad(to_hex(n), 64, 'b'), :now
  FROM generate_series(:first::bigint, :last::bigint) AS n;

-- name: transfers_to_pay(first, last, account_address, chain_id, now)
-- Approved transfers, each with its batch, order and request as batcher and conductor leave them: this is the transfer.
INSERT INTO transfer (unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address,
       chain_id, to_address, value_wei, transfer_status, created_at, updated_at)
SELECT r.unique_id, md5(r.unique_id), 'batch', r.batch_conversion_id, r.cn_api_id, r.order_id, :account_address, :chain_id,
       '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC', r.amount_wei, 'approved', :now, :now
  FROM hostpay_request AS r
 WHERE r.batch_conversion_id BETWEEN lpad(to_hex(:first::bigint), 32, '0')::uuid AND lpad(to_hex(:last::bigint), 32, '0')::uuid;

-- name: make_payable(first, last)
-- Their orders wait at the exchange again, and the conductor has asked for the payment.
WITH adopted AS (
    UPDATE exchange_order SET order_status = 'adopted'
     WHERE batch_conversion_id BETWEEN lpad(to_hex(:first::bigint), 32, '0')::uuid AND lpad(to_hex(:last::bigint), 32, '0')::uuid
)
UPDATE hostpay_request SET request_status = 'paying', eth_tx_hash = NULL
 WHERE batch_conversion_id BETWEEN lpad(to_hex(:first::bigint), 32, '0')::uuid AND lpad(to_hex(:last::bigint), 32, '0')::uuid;

-- name: forget_slots(now)
-- The transfers of earlier rounds are final, as after their blocks: their slots hold nothing any more.
UPDATE slot SET outcome = 'settled', final_at = :now, evidence = '{"block_number": 1}'::jsonb WHERE outcome IS NULL;

-- name: sum_without_index()
-- The limit of the pending total: the same figures, read off the whole table.
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments
  FROM payout_accumulation
 WHERE conversion_status || '' = 'pending';

-- name: take_plainly(count, batch, now)
-- The limit of the claim: as many pending rows in one plain statement, with no rows about it anywhere.
UPDATE payout_accumulation SET conversion_status = 'swapping', batch_conversion_id = lpad(to_hex(:batch::bigint), 32, '0')::uuid,
       updated_at = :now
 WHERE conversion_status = 'pending' AND id <= (SELECT max(id) FROM (SELECT id FROM payout_accumulation
       WHERE conversion_status = 'pending' ORDER BY id LIMIT :count::bigint) AS taken);

-- name: credit_plainly(batch, now)
-- The limit of the distribution: the same columns of as many rows, to constants.
UPDATE payout_accumulation SET conversion_status = 'completed', converted_usdt_amount_units = 1,
       conversion_tx_hash = '0x' || repeat('e', 64), usdt_tx_hash = '0x' || repeat('d', 64), updated_at = :now, due_at = NULL
 WHERE batch_conversion_id = lpad(to_hex(:batch::bigint), 32, '0')::uuid;

-- name: still_pending()
-- How many payments are pending.
SELECT count(*) AS payments FROM payout_accumulation WHERE conversion_status = 'pending';
