-- When the books and the wallet must be equal.

-- name: moment(job, quiet_since)
-- When they were compared last, whether the wallet is in the books at all, and whether something of it moves at this
-- moment, or moved a short while ago.
SELECT (SELECT beat_at FROM heartbeat WHERE job = :job) AS compared_at,
       EXISTS (SELECT FROM book_entry WHERE account = 'wallet') AS used,
       EXISTS (SELECT FROM transfer WHERE transfer_status IN ('reserved', 'signed', 'live', 'included'))
       OR EXISTS (SELECT FROM posting AS p JOIN book_entry AS e ON e.posting_id = p.id
                   WHERE p.at > :quiet_since AND e.account = 'wallet') AS moving;

-- name: awaited()
-- Paid orders whose result may be in the wallet already: their USDT or their refund is booked when it is found.
SELECT count(*) AS orders FROM hostpay_request WHERE eth_tx_hash IS NOT NULL AND request_status IN ('watching', 'parked');
