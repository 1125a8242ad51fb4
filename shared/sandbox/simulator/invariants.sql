-- What must be true of the rows at every moment between two transactions. Every query finds what breaks a rule.

-- name: broken_rows()
-- Rows that contradict each other, whatever happened; none may ever be found.
SELECT 'member_of_its_batch' AS invariant, 'payment ' || p.id || ' is ' || p.conversion_status AS detail
  FROM payout_accumulation p
  LEFT JOIN batch_member m ON m.payment_id = p.id AND m.live
 WHERE (p.conversion_status IN ('swapping', 'completed')) IS DISTINCT FROM (m.payment_id IS NOT NULL)
    OR m.batch_conversion_id IS DISTINCT FROM p.batch_conversion_id
UNION ALL
SELECT 'batch_is_its_members', 'batch ' || b.batch_conversion_id
  FROM batch_conversions b
  JOIN (SELECT batch_conversion_id, sum(wei) AS wei, sum(weight_usd_micros) AS weight, count(*) AS members
          FROM batch_member GROUP BY batch_conversion_id) m USING (batch_conversion_id)
 WHERE m.wei <> b.members_wei OR m.weight <> b.total_pending_usd_micros OR m.members <> b.payment_count
UNION ALL
SELECT 'ordered_is_members_and_dust', 'order ' || coalesce(o.cn_api_id, o.id::text) || ' of batch ' || b.batch_conversion_id
  FROM exchange_order o
  JOIN batch_conversions b USING (batch_conversion_id)
 WHERE o.amount_wei <> b.members_wei + b.dust_in_wei - b.dust_out_wei
UNION ALL
SELECT 'sent_is_ordered', 'transfer ' || t.unique_id
  FROM transfer t
  JOIN exchange_order o ON o.id = t.order_id
 WHERE t.value_wei <> o.amount_wei OR lower(t.to_address) <> lower(o.payin_address) OR t.cn_api_id <> o.cn_api_id
UNION ALL
SELECT 'one_nonce_per_batch', 'batch ' || t.batch_conversion_id
  FROM slot s
  JOIN transfer t USING (unique_id)
 WHERE t.batch_conversion_id IS NOT NULL AND (s.outcome IS NULL OR s.outcome = 'settled')
 GROUP BY t.batch_conversion_id
HAVING count(*) > 1
UNION ALL
SELECT 'verdict_is_the_slots', 'transfer ' || t.unique_id || ' is ' || t.transfer_status || ', its slot ' || coalesce(s.outcome, 'open')
  FROM transfer t
  LEFT JOIN slot s USING (unique_id)
 WHERE (t.transfer_status IN ('settled', 'reverted', 'cancelled', 'foreign') OR s.outcome IS NOT NULL)
   AND t.transfer_status IS DISTINCT FROM s.outcome
UNION ALL
SELECT 'shares_are_the_arrival', 'batch ' || b.batch_conversion_id
  FROM batch_conversions b
  LEFT JOIN arrival a USING (batch_conversion_id)
  LEFT JOIN (SELECT batch_conversion_id, sum(share_usdt_units) AS shares, count(*) AS members, count(share_usdt_units) AS credited
               FROM batch_member GROUP BY batch_conversion_id) m USING (batch_conversion_id)
  LEFT JOIN (SELECT batch_conversion_id, sum(converted_usdt_amount_units) AS units
               FROM payout_accumulation GROUP BY batch_conversion_id) p USING (batch_conversion_id)
 WHERE CASE WHEN b.conversion_status = 'completed'
            THEN m.shares IS DISTINCT FROM a.usdt_units OR p.units IS DISTINCT FROM a.usdt_units
              OR b.usdt_arrived_units IS DISTINCT FROM a.usdt_units OR m.members <> m.credited
            ELSE m.credited > 0 OR p.units IS NOT NULL END
UNION ALL
SELECT 'books_balance', 'posting ' || posting_id || ' in ' || asset
  FROM book_entry
 GROUP BY posting_id, asset
HAVING sum(amount) <> 0;

-- name: verdicts()
-- Every slot with a verdict and the transaction that is said to prove it.
SELECT s.unique_id, s.nonce, s.outcome, s.evidence ->> 'tx_hash' AS tx_hash, s.gas_wei
  FROM slot s
 WHERE s.outcome IS NOT NULL
 ORDER BY s.nonce;

-- name: arrivals()
-- Every arrival that was counted.
SELECT tx_hash, log_index, usdt_units, to_address, token_contract
  FROM arrival
 ORDER BY recorded_at, tx_hash, log_index;

-- name: pays_its_batch(batch_conversion_id, nonce)
-- Whether this nonce, with which the batch's bytes left, may still move its ETH, or has: only proof to the contrary, a
-- slot that ended without effect, lets another be paid. A nonce that the rows have forgotten proves nothing.
SELECT NOT EXISTS (
    SELECT 1 FROM slot s JOIN transfer t USING (unique_id)
     WHERE t.batch_conversion_id = :batch_conversion_id::uuid AND s.nonce = :nonce
       AND s.outcome IN ('reverted', 'cancelled', 'foreign')
) AS pays;

-- name: attempt_that_leaves(tx_hash)
-- What the rows know of bytes that are being sent, and of the order that they pay.
SELECT t.unique_id, t.batch_conversion_id, t.transfer_status, t.value_wei, t.to_address, a.kind, a.first_send_started_at,
       a.nonce, o.order_status, o.amount_wei, o.payin_address
  FROM attempt a
  JOIN slot s ON s.account_address = a.account_address AND s.chain_id = a.chain_id AND s.nonce = a.nonce
  JOIN transfer t ON t.unique_id = s.unique_id
  JOIN exchange_order o ON o.id = t.order_id
 WHERE a.tx_hash = :tx_hash;

-- name: unfinished(batches, requests, transfers, nonce_less)
-- What neither ended nor waits for a person with a reason, once nothing goes wrong any more. The parameters are the
-- states that may stay; while the account is frozen also `nonce_less` transfers, what waits for one of them, and a batch
-- for which no order is opened.
WITH stopped AS (
    SELECT r.unique_id, r.batch_conversion_id
      FROM hostpay_request r
      LEFT JOIN transfer t USING (unique_id)
     WHERE EXISTS (SELECT 1 FROM account WHERE account_status = 'frozen')
       AND r.request_status = 'paying' AND (t.transfer_status IS NULL OR t.transfer_status = ANY (:nonce_less::text[]))
     UNION ALL
    SELECT NULL, batch_conversion_id
      FROM batch_conversions
     WHERE EXISTS (SELECT 1 FROM account WHERE account_status = 'frozen') AND conversion_status = 'pending'
)
SELECT 'payment ' || p.id || ' is ' || p.conversion_status AS what
  FROM payout_accumulation p
  LEFT JOIN batch_conversions b USING (batch_conversion_id)
 WHERE p.conversion_status = 'swapping' AND b.conversion_status <> 'parked'
   AND NOT EXISTS (SELECT 1 FROM stopped WHERE stopped.batch_conversion_id = p.batch_conversion_id)
UNION ALL
SELECT 'batch ' || batch_conversion_id || ' is ' || conversion_status
  FROM batch_conversions
 WHERE (conversion_status <> ALL (:batches::text[]) OR (conversion_status = 'parked' AND reason IS NULL))
   AND NOT EXISTS (SELECT 1 FROM stopped WHERE stopped.batch_conversion_id = batch_conversions.batch_conversion_id)
UNION ALL
SELECT 'request ' || unique_id || ' is ' || request_status
  FROM hostpay_request
 WHERE (request_status <> ALL (:requests::text[]) OR (request_status = 'parked' AND reason IS NULL))
   AND NOT EXISTS (SELECT 1 FROM stopped WHERE stopped.unique_id = hostpay_request.unique_id)
UNION ALL
SELECT 'transfer ' || t.unique_id || ' is ' || t.transfer_status
  FROM transfer t
  JOIN account a ON a.address = t.account_address AND a.chain_id = t.chain_id
 WHERE (t.transfer_status <> ALL (:transfers::text[])
        AND NOT (a.account_status = 'frozen' AND t.transfer_status = ANY (:nonce_less::text[])))
    OR (t.transfer_status = 'held' AND t.reason IS NULL)
UNION ALL
SELECT 'order ' || id || ' is ' || order_status
  FROM exchange_order
 WHERE order_status IN ('sending', 'created')
UNION ALL
SELECT 'message ' || id || ' on ' || edge || ' is not sent'
  FROM outbox
 WHERE sent_at IS NULL;

-- name: ready_to_batch()
-- The pending total, its count, and whether batching is paused.
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments,
       EXISTS (SELECT 1 FROM pause WHERE stage = 'batching') AS paused
  FROM payout_accumulation
 WHERE conversion_status = 'pending';

-- name: ends()
-- How each order that was adopted ended: its batch and its request.
SELECT o.cn_api_id, o.order_status, o.refund_hash, b.conversion_status, r.request_status, r.reason, t.transfer_status
  FROM exchange_order o
  LEFT JOIN batch_conversions b ON b.batch_conversion_id = o.batch_conversion_id
  LEFT JOIN hostpay_request r ON r.order_id = o.id
  LEFT JOIN transfer t ON t.order_id = o.id
 WHERE o.cn_api_id IS NOT NULL
 ORDER BY o.id;

-- name: payments()
-- Every payment by its reference.
SELECT payment_ref, payment_amount_usd_micros, conversion_status
  FROM payout_accumulation
 ORDER BY id;

-- name: wallet_balances()
-- What the books say that the wallet holds.
SELECT coalesce(sum(amount) FILTER (WHERE asset = 'ETH'), 0) AS eth_wei,
       coalesce(sum(amount) FILTER (WHERE asset = 'USDT'), 0) AS usdt_units
  FROM book_entry
 WHERE account = 'wallet';

-- name: broken_story()
-- Moves that do not begin where the move before them ended, and rows that are not where their last move led.
SELECT 'history_is_a_chain' AS invariant, machine || ' ' || subject || ': ' || event AS detail
  FROM (SELECT machine, subject, event, from_state, lag(to_state, 1, '') OVER (PARTITION BY machine, subject ORDER BY id) AS was
          FROM history) moves
 WHERE was <> from_state
UNION ALL
SELECT 'row_is_where_its_story_ends', h.machine || ' ' || h.subject
  FROM (SELECT DISTINCT ON (machine, subject) machine, subject, to_state FROM history ORDER BY machine, subject, id DESC) h
  LEFT JOIN (SELECT 'payment' AS machine, id::text AS subject, conversion_status AS state FROM payout_accumulation
             UNION ALL SELECT 'batch', batch_conversion_id::text, conversion_status FROM batch_conversions
             UNION ALL SELECT 'order', id::text, order_status FROM exchange_order
             UNION ALL SELECT 'request', unique_id, request_status FROM hostpay_request
             UNION ALL SELECT 'transfer', unique_id, transfer_status FROM transfer
             UNION ALL SELECT 'account', chain_id || ':' || address, account_status FROM account) r USING (machine, subject)
 WHERE r.state IS DISTINCT FROM h.to_state;

-- name: names()
-- Everything that a person could name at the command line: payments, batches, orders, requests.
SELECT name FROM (
    SELECT 1 AS kind, id AS nr, payment_ref AS name FROM payout_accumulation
    UNION ALL
    SELECT 2, row_number() OVER (ORDER BY created_at, batch_conversion_id), batch_conversion_id::text FROM batch_conversions
    UNION ALL
    SELECT 3, id, cn_api_id FROM exchange_order WHERE cn_api_id IS NOT NULL
    UNION ALL
    SELECT 4, row_number() OVER (ORDER BY created_at, unique_id), unique_id FROM hostpay_request
) AS everything
 ORDER BY kind, nr;
