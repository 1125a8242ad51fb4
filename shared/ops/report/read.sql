-- What a report reads. All of it in one snapshot, so that rows and books are those of one moment.

-- name: payments()
-- Every payment by state and reason, in one pass over the table.
SELECT conversion_status, parked_reason, count(*) AS payments, sum(pending_usd_amount_micros) AS usd_micros,
       coalesce(sum(net_wei), 0) AS net_wei, coalesce(sum(fee_wei), 0) AS fee_wei,
       coalesce(sum(converted_usdt_amount_units), 0) AS share_units, min(created_at) AS oldest
  FROM payout_accumulation
 GROUP BY conversion_status, parked_reason
 ORDER BY conversion_status, parked_reason NULLS FIRST;

-- name: open_batches()
-- The batches that are not final by what holds their money up. What has arrived is told as arriving, what is at the
-- exchange as the order says, whatever else is wrong with the batch.
SELECT staged.stage, CASE WHEN staged.stage = 'parked' THEN staged.reason END AS reason, sum(staged.payment_count) AS payments,
       sum(staged.total_pending_usd_micros) AS usd_micros, sum(staged.ordered_wei) AS ordered_wei,
       coalesce(sum(staged.usdt_units), 0) AS usdt_units, min(staged.created_at) AS oldest
  FROM (SELECT b.payment_count, b.total_pending_usd_micros, b.ordered_wei, b.reason, b.created_at, a.usdt_units,
               CASE WHEN a.usdt_units IS NOT NULL THEN 'arriving'
                    WHEN t.transfer_status = 'settled' AND o.order_status = 'held' THEN 'held by the exchange'
                    WHEN t.transfer_status = 'settled'
                         AND (o.order_status IN ('failed', 'expired') OR o.exchange_status = 'refunded') THEN 'refund awaited'
                    WHEN b.conversion_status = 'parked' THEN 'parked'
                    WHEN b.conversion_status = 'pending' THEN 'claimed'
                    WHEN t.transfer_status = 'settled' THEN 'at the exchange'
                    ELSE 'paying' END AS stage
          FROM batch_conversions b
          LEFT JOIN arrival a ON a.batch_conversion_id = b.batch_conversion_id
          LEFT JOIN transfer t ON t.batch_conversion_id = b.batch_conversion_id
               AND t.transfer_status <> 'void' AND t.superseded_by IS NULL
          LEFT JOIN exchange_order o ON o.id = t.order_id
         WHERE b.conversion_status NOT IN ('completed', 'released')) AS staged
 GROUP BY 1, 2
 ORDER BY 1, 2;

-- name: in_transit()
-- ETH that is final at the exchange and has not become USDT of clients, a payout, or a refund.
SELECT t.context, count(*) AS transfers, sum(t.value_wei) AS wei, min(s.final_at) AS oldest
  FROM transfer t
  JOIN slot s ON s.unique_id = t.unique_id
  JOIN exchange_order o ON o.id = t.order_id
  LEFT JOIN batch_conversions b ON b.batch_conversion_id = t.batch_conversion_id
 WHERE t.transfer_status = 'settled' AND o.order_status <> 'refunded'
   AND CASE WHEN t.context = 'batch' THEN b.conversion_status <> 'completed' ELSE o.order_status <> 'finished' END
 GROUP BY t.context
 ORDER BY t.context;

-- name: dust()
-- What the exchange's decimals cut off orders and no later batch has taken.
SELECT coalesce(sum(dust_out_wei - dust_in_wei), 0) AS wei
  FROM batch_conversions
 WHERE conversion_status <> 'released';

-- name: gas()
-- What final transactions of ours cost.
SELECT count(*) AS slots, coalesce(sum(gas_wei), 0) AS wei FROM slot WHERE gas_wei > 0;

-- name: debt()
-- What was paid out to clients, and since when the first of their shares is owed. Whose share a payment out was is not
-- known here, so once there was one, nobody knows since when.
SELECT coalesce((SELECT sum(e.amount)
                   FROM posting p JOIN book_entry e ON e.posting_id = p.id AND e.account = 'clients_owed'
                  WHERE p.event = 'clients_paid'), 0) AS paid_units,
       CASE WHEN NOT EXISTS (SELECT 1 FROM posting WHERE event = 'clients_paid')
            THEN (SELECT min(at) FROM posting WHERE event = 'usdt_distributed') END AS oldest;

-- name: taken_in(since, until)
-- The payments of a period, as they were paid.
SELECT count(*) AS payments, coalesce(sum(payment_amount_usd_micros), 0) AS paid_usd_micros,
       coalesce(sum(fee_usd_micros), 0) AS fee_usd_micros, coalesce(sum(pending_usd_amount_micros), 0) AS usd_micros
  FROM payout_accumulation
 WHERE created_at >= :since AND created_at < :until;

-- name: moved(since, until)
-- What the facts of a period did to each account.
SELECT p.event, e.account, e.asset, count(*) AS entries, sum(e.amount) AS amount
  FROM posting p
  JOIN book_entry e ON e.posting_id = p.id
 WHERE p.at >= :since AND p.at < :until
 GROUP BY p.event, e.account, e.asset
 ORDER BY p.event, e.account, e.asset;

-- name: swapped(since, until)
-- The batches that were shared out in a period: what was ordered, what feed and quote said it was worth, what arrived,
-- and the gas of all transfers that it took.
SELECT b.batch_conversion_id::text AS batch_conversion_id, p.at, b.payment_count, b.total_pending_usd_micros, b.ordered_wei,
       b.feed_answer, b.feed_decimals, b.expected_usdt_units, b.usdt_arrived_units,
       (SELECT coalesce(sum(s.gas_wei), 0)
          FROM transfer t JOIN slot s ON s.unique_id = t.unique_id
         WHERE t.batch_conversion_id = b.batch_conversion_id) AS gas_wei
  FROM posting p
  JOIN batch_conversions b ON b.batch_conversion_id = p.subject::uuid
 WHERE p.event = 'usdt_distributed' AND p.at >= :since AND p.at < :until
 ORDER BY p.at, b.batch_conversion_id;
