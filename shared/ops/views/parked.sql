-- name: waiting()
-- Every row that waits for a person, with what its history said last. A transfer that ended without effect waits, too,
-- until somebody decides whether the batch is paid anew.
SELECT w.machine, w.subject, w.name, w.state, w.reason, w.worth_usd_micros, w.worth_wei, last.at AS since, last.evidence
  FROM (SELECT 'payment' AS machine, p.id::text AS subject, p.payment_ref AS name, p.conversion_status AS state,
               p.parked_reason AS reason, p.pending_usd_amount_micros AS worth_usd_micros, p.net_wei AS worth_wei
          FROM payout_accumulation p WHERE p.conversion_status = 'parked'
        UNION ALL
        SELECT 'batch', b.batch_conversion_id::text, b.batch_conversion_id::text, b.conversion_status, b.reason,
               b.total_pending_usd_micros, b.ordered_wei
          FROM batch_conversions b WHERE b.conversion_status = 'parked'
        UNION ALL
        SELECT 'order', o.id::text, o.cn_api_id, o.order_status, o.reason, NULL, o.amount_wei
          FROM exchange_order o WHERE o.order_status IN ('held', 'failed', 'expired')
        UNION ALL
        SELECT 'request', r.unique_id, r.unique_id, r.request_status, r.reason, NULL, r.amount_wei
          FROM hostpay_request r WHERE r.request_status = 'parked'
        UNION ALL
        SELECT 'transfer', t.unique_id, t.unique_id, t.transfer_status, t.reason, NULL, t.value_wei
          FROM transfer t
         WHERE t.transfer_status = 'held'
            OR (t.transfer_status IN ('reverted', 'cancelled', 'foreign') AND t.superseded_by IS NULL
                AND NOT EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id))
        UNION ALL
        SELECT 'account', a.chain_id || ':' || a.address, a.address, a.account_status, a.reason, NULL, NULL
          FROM account a WHERE a.account_status <> 'active') AS w
  LEFT JOIN LATERAL (SELECT h.at, h.evidence FROM history h
                      WHERE h.machine = w.machine AND h.subject = w.subject ORDER BY h.id DESC LIMIT 1) AS last ON true
 ORDER BY last.at NULLS FIRST, w.machine, w.subject
 LIMIT 200;
