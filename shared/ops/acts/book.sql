-- What a person books, and what it is checked against.

-- name: wallet_is_used()
-- Whether anything was ever booked on the wallet, or a nonce of it was given out: then its opening is over.
SELECT EXISTS (SELECT FROM book_entry WHERE account = 'wallet') OR EXISTS (SELECT FROM slot) AS used;

-- name: known_as(tx_hash)
-- What the fleet's own rows say that a transaction is; nothing when they do not know it.
SELECT what
  FROM (SELECT 1 AS rank, format('the payout of order %s', cn_api_id) AS what
          FROM arrival WHERE tx_hash = :tx_hash
        UNION ALL
        SELECT 2, format('the refund of order %s', cn_api_id) FROM exchange_order WHERE refund_hash = :tx_hash
        UNION ALL
        SELECT 3, format('an attempt of our own nonce %s', nonce) FROM attempt WHERE tx_hash = :tx_hash) AS known
 ORDER BY rank LIMIT 1;

-- name: booked_before(tx_hashes)
-- Which of these transactions a person booked before, and as what.
SELECT event, subject FROM posting
 WHERE event IN ('gateway_settled', 'treasury_added', 'clients_paid') AND subject = ANY(:tx_hashes::text[])
 ORDER BY id;

-- name: in_flight()
-- Transfers whose ETH may be on the chain while the books do not know it yet.
SELECT count(*) AS transfers FROM transfer WHERE transfer_status IN ('signed', 'live', 'included');
