-- name: request_with_order(unique_id)
-- What our own rows say about a request and its order: the only source of an amount or an address.
SELECT r.unique_id, r.context, r.batch_conversion_id, r.order_id, r.cn_api_id, r.amount_wei, r.payin_address,
       r.request_status, o.context AS order_context, o.batch_conversion_id AS order_batch_conversion_id, o.order_status,
       o.from_currency, o.from_network, o.amount_wei AS order_amount_wei, o.payin_address AS order_payin_address,
       o.cn_api_id AS order_cn_api_id
  FROM hostpay_request r
  JOIN exchange_order o ON o.id = r.order_id
 WHERE r.unique_id = :unique_id;

-- name: order_now(order_id)
-- The order's state at this moment, and since when its request is to be paid: that is when the exchange last showed it
-- waiting, whatever became of the request since. Both are the conductor's rows and are not locked here.
SELECT o.order_status, coalesce(paying.at, r.updated_at) AS checked_at
  FROM exchange_order o
  JOIN hostpay_request r ON r.order_id = o.id
  LEFT JOIN LATERAL (SELECT h.at FROM history h
                      WHERE h.machine = 'request' AND h.subject = r.unique_id AND h.event = 'request_paying'
                      ORDER BY h.id DESC LIMIT 1) AS paying ON true
 WHERE o.id = :order_id;

-- name: sending_pause(now)
-- Why sending is paused at this moment; no row: it runs.
SELECT reason, paused_by, expires_at
  FROM pause
 WHERE stage = 'sending' AND (expires_at IS NULL OR expires_at > :now);

-- name: account(address, chain_id)
-- The account as it is, not locked.
SELECT address, chain_id, account_status, reason, next_nonce, drive_lease_until, updated_at
  FROM account
 WHERE address = :address AND chain_id = :chain_id;

-- name: lock_account(address, chain_id)
-- The account's row, locked: nonces are given out and limits judged under this lock only. NO KEY: a new transfer may
-- still refer to the row meanwhile.
SELECT address, chain_id, account_status, reason, next_nonce, drive_lease_until, updated_at
  FROM account
 WHERE address = :address AND chain_id = :chain_id
   FOR NO KEY UPDATE;

-- name: open_account(address, chain_id, account_status, next_nonce, now)
-- Makes the account's row from the finalized nonce; of two first uses one makes it.
INSERT INTO account (address, chain_id, account_status, next_nonce, created_at, updated_at)
VALUES (:address, :chain_id, :account_status, :next_nonce, :now, :now)
ON CONFLICT ON CONSTRAINT account_is_named_once DO NOTHING;

-- name: set_account_status(address, chain_id, account_status, reason)
-- The account's new state and why; the row is locked by the caller.
UPDATE account
   SET account_status = :account_status, reason = :reason
 WHERE address = :address AND chain_id = :chain_id;

-- name: take_lease(address, chain_id, lease, until, now)
-- One driver at a time. A lease that has run out belongs to a driver that was killed.
UPDATE account
   SET drive_lease_by = :lease, drive_lease_until = :until
 WHERE address = :address AND chain_id = :chain_id AND (drive_lease_until IS NULL OR drive_lease_until <= :now);

-- name: give_lease_back(address, chain_id, lease, now)
-- Ends a drive; updated_at tells the sweep that the account is being driven. Nothing happens if the lease was lost.
UPDATE account
   SET drive_lease_by = NULL, drive_lease_until = NULL, updated_at = greatest(updated_at, :now)
 WHERE address = :address AND chain_id = :chain_id AND drive_lease_by = :lease;

-- name: insert_transfer(unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id, to_address, value_wei, transfer_status, supersedes, now, due_at)
-- A new transfer; of two deliveries of one pay order one makes the row. Every rule of uniqueness yields, not only the one
-- on the name: of two at once, PostgreSQL may compare the order first.
INSERT INTO transfer (unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id,
       to_address, value_wei, transfer_status, supersedes, created_at, updated_at, due_at)
VALUES (:unique_id, :request_hash, :context, :batch_conversion_id, :cn_api_id, :order_id, :account_address, :chain_id,
       :to_address, :value_wei, :transfer_status, :supersedes, :now, :now, :due_at)
ON CONFLICT DO NOTHING;

-- name: lock_repayable(batch_conversion_id)
-- The batch's transfer that ended without effect and that a person approved to be replaced, locked: replaced once.
SELECT t.unique_id
  FROM transfer t
 WHERE t.batch_conversion_id = :batch_conversion_id AND t.superseded_by IS NULL
   AND t.transfer_status IN ('reverted', 'cancelled', 'foreign')
   AND EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id)
   FOR UPDATE;

-- name: mark_superseded(unique_id, superseded_by, now)
-- Another transfer takes the place of this one, which moved nothing.
UPDATE transfer
   SET superseded_by = :superseded_by, updated_at = :now
 WHERE unique_id = :unique_id AND superseded_by IS NULL;

-- name: is_superseded(unique_id)
-- Whether another transfer has taken its place.
SELECT superseded_by IS NOT NULL AS superseded FROM transfer WHERE unique_id = :unique_id;

-- name: lock_transfer(unique_id)
-- One transfer, locked; whoever also needs the account locks the account first.
SELECT unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id, to_address,
       value_wei, transfer_status, reason, updated_at
  FROM transfer
 WHERE unique_id = :unique_id
   FOR UPDATE;

-- name: transfers_in(account_address, chain_id, transfer_status)
-- The account's transfers in one state, oldest first; relies on transfer_open.
SELECT unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id, to_address,
       value_wei, transfer_status, reason, updated_at
  FROM transfer
 WHERE account_address = :account_address AND chain_id = :chain_id AND transfer_status = :transfer_status
 ORDER BY created_at, unique_id
 LIMIT 100;

-- name: move_transfer(unique_id, from_status, to_status, reason, now, due_at)
-- The transfer's next state; writes nothing if it is no longer in the state that was decided on.
UPDATE transfer
   SET transfer_status = :to_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE unique_id = :unique_id AND transfer_status = :from_status;

-- name: count_open(account_address, chain_id)
-- How many transfers wait for the executor or the chain: with a nonce, and without one yet. Relies on transfer_open.
SELECT count(*) FILTER (WHERE transfer_status IN ('reserved', 'signed', 'live', 'included')) AS with_nonce,
       count(*) FILTER (WHERE transfer_status IN ('created', 'approved')) AS without_nonce
  FROM transfer
 WHERE account_address = :account_address AND chain_id = :chain_id
   AND transfer_status IN ('created', 'approved', 'reserved', 'signed', 'live', 'included');

-- name: spent_since(account_address, chain_id, since)
-- What left, or has a nonce to leave with, since then: value of every slot that may still move or has moved its value.
-- Relies on slot_by_time.
SELECT coalesce(sum(t.value_wei), 0) AS spent_wei
  FROM slot s
  JOIN transfer t ON t.unique_id = s.unique_id
 WHERE s.account_address = :account_address AND s.chain_id = :chain_id AND s.reserved_at > :since
   AND (s.outcome IS NULL OR s.outcome = 'settled');

-- name: begun_since(account_address, chain_id, since)
-- How many nonces were given out since then, whatever became of them; relies on slot_by_time.
SELECT count(*) AS begun
  FROM slot
 WHERE account_address = :account_address AND chain_id = :chain_id AND reserved_at > :since;

-- name: holds(account_address, chain_id)
-- Wei held by open slots, how many there are, and the highest block in which a slot of this account became final. Relies
-- on slot_open and slot_by_final_block: it is asked under the account's lock, however many slots there were.
SELECT coalesce(sum(hold_wei), 0) AS held_wei, count(*) AS open_slots,
       coalesce((SELECT max((final.evidence ->> 'block_number')::bigint)
                   FROM slot AS final
                  WHERE final.account_address = :account_address AND final.chain_id = :chain_id
                    AND final.outcome IS NOT NULL), 0) AS final_block
  FROM slot
 WHERE account_address = :account_address AND chain_id = :chain_id AND outcome IS NULL;

-- name: earmarked()
-- ETH that payments brought and that has not left for them: payments not in a batch, and batches of which no slot is
-- open or has paid. What reverted never left; what was refunded is back, whether the batcher has heard of it or not.
SELECT (SELECT coalesce(sum(net_wei), 0) FROM payout_accumulation WHERE conversion_status IN ('pending', 'parked'))
     + (SELECT coalesce(sum(b.ordered_wei), 0)
          FROM batch_conversions b
         WHERE b.conversion_status IN ('pending', 'swapping', 'parked')
           AND NOT EXISTS (SELECT 1
                             FROM transfer t
                             JOIN slot s ON s.unique_id = t.unique_id
                             JOIN exchange_order o ON o.id = t.order_id
                            WHERE t.batch_conversion_id = b.batch_conversion_id
                              AND (s.outcome IS NULL OR s.outcome = 'settled')
                              AND o.order_status <> 'refunded')) AS earmarked_wei;

-- name: take_nonce(address, chain_id, nonce)
-- Gives out the next nonce; the row is locked by the caller, so the number is the one he read.
UPDATE account
   SET next_nonce = next_nonce + 1
 WHERE address = :address AND chain_id = :chain_id AND next_nonce = :nonce;

-- name: insert_slot(account_address, chain_id, nonce, unique_id, gas_limit, hold_wei, now)
-- The nonce now belongs to this transfer for ever.
INSERT INTO slot (account_address, chain_id, nonce, unique_id, gas_limit, hold_wei, reserved_at)
VALUES (:account_address, :chain_id, :nonce, :unique_id, :gas_limit, :hold_wei, :now);

-- name: open_slots(account_address, chain_id)
-- Every slot that is not final with its transfer, lowest nonce first.
SELECT s.nonce, s.gas_limit, s.hold_wei, s.outcome, s.evidence, t.unique_id, t.request_hash, t.context,
       t.batch_conversion_id, t.cn_api_id, t.order_id, t.account_address, t.chain_id, t.to_address, t.value_wei,
       t.transfer_status, t.reason, t.updated_at
  FROM slot s
  JOIN transfer t ON t.unique_id = s.unique_id
 WHERE s.account_address = :account_address AND s.chain_id = :chain_id AND s.outcome IS NULL
 ORDER BY s.nonce;

-- name: lock_slot(unique_id)
-- The transfer's slot, locked.
SELECT nonce, gas_limit, hold_wei, outcome, evidence
  FROM slot
 WHERE unique_id = :unique_id
   FOR UPDATE;

-- name: reserved_under(unique_id)
-- The finalized block under which the slot was reserved, or is found again: no transaction with its nonce is older.
SELECT (evidence ->> 'finalized_number')::bigint AS finalized_number
  FROM history
 WHERE machine = 'transfer' AND subject = :unique_id AND event IN ('slot_reserved', 'transfer_found_sent')
 ORDER BY id
 LIMIT 1;

-- name: raise_hold(unique_id, hold_wei)
-- The hold follows the fee cap of the newest bytes upwards; it is never lowered while the slot is open.
UPDATE slot
   SET hold_wei = greatest(hold_wei, :hold_wei)
 WHERE unique_id = :unique_id AND outcome IS NULL;

-- name: close_slot(unique_id, outcome, evidence, gas_wei, now)
-- The verdict with everything needed to check it again; writes nothing if there is one already.
UPDATE slot
   SET outcome = :outcome, evidence = :evidence::jsonb, gas_wei = :gas_wei, final_at = :now
 WHERE unique_id = :unique_id AND outcome IS NULL;

-- name: insert_attempt(account_address, chain_id, nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, now)
-- Stores signed bytes; of two workers that sign one slot the second stores nothing and must discard its bytes.
INSERT INTO attempt (account_address, chain_id, nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, signed_at)
VALUES (:account_address, :chain_id, :nonce, :seq, :kind, :raw, :tx_hash, :tip_wei, :cap_wei, :now)
ON CONFLICT DO NOTHING;

-- name: attempts(account_address, chain_id, nonce)
-- All stored bytes of a slot, oldest first: a verdict knows every hash that may have left us.
SELECT nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, first_send_started_at, last_send_started_at, first_block,
       included_block_number, included_block_hash
  FROM attempt
 WHERE account_address = :account_address AND chain_id = :chain_id AND nonce = :nonce
 ORDER BY seq;

-- name: start_send(tx_hash, first_block, now)
-- Committed before the bytes leave. The first block of a later scan stays that of the first send.
UPDATE attempt
   SET first_send_started_at = coalesce(first_send_started_at, :now), last_send_started_at = :now,
       first_block = coalesce(first_block, :first_block)
 WHERE tx_hash = :tx_hash;

-- name: mark_included(tx_hash, block_number, block_hash)
-- Where some provider shows the transaction; nulls when none does any more.
UPDATE attempt
   SET included_block_number = :block_number, included_block_hash = :block_hash
 WHERE tx_hash = :tx_hash;

-- name: log_answer(tx_hash, provider, answer_class, answer, now)
-- One provider's answer to a send, word for word.
INSERT INTO send_log (tx_hash, provider, answer_class, answer, at)
VALUES (:tx_hash, :provider, :answer_class, :answer, :now);

-- name: last_answers(tx_hash)
-- What the providers answered when these bytes were last given to them.
SELECT answer_class
  FROM send_log
 WHERE tx_hash = :tx_hash AND at = (SELECT max(at) FROM send_log WHERE tx_hash = :tx_hash);

-- name: promises(account_address, chain_id, nonce)
-- What the key was asked to sign for this nonce.
SELECT kind, to_address, value_wei, data
  FROM signed_nonce
 WHERE account_address = :account_address AND chain_id = :chain_id AND nonce = :nonce;

-- name: promise(account_address, chain_id, nonce, kind, to_address, value_wei, data)
-- Remembers for ever what is about to be signed; one payment and one cancel per nonce.
INSERT INTO signed_nonce (account_address, chain_id, nonce, kind, to_address, value_wei, data)
VALUES (:account_address, :chain_id, :nonce, :kind, :to_address, :value_wei, :data)
ON CONFLICT ON CONSTRAINT signed_nonce_is_promised_once DO NOTHING;

-- name: cancel_request(account_address, chain_id, nonce)
-- Whether this nonce shall be used for nothing, by whose wish and why.
SELECT requested_by, reason
  FROM cancel_request
 WHERE account_address = :account_address AND chain_id = :chain_id AND nonce = :nonce;

-- name: request_cancel(account_address, chain_id, nonce, unique_id, requested_by, reason, now)
-- From this row's commit on the payment's bytes stay here. The first wish stands.
INSERT INTO cancel_request (account_address, chain_id, nonce, unique_id, requested_by, reason, requested_at)
VALUES (:account_address, :chain_id, :nonce, :unique_id, :requested_by, :reason, :now)
ON CONFLICT ON CONSTRAINT cancel_request_is_made_once DO NOTHING;

-- name: insert_approval(action, subject, approved_by, reason, now)
-- A person's decision about a transfer.
INSERT INTO approval (action, subject, approved_by, reason, at)
VALUES (:action, :subject, :approved_by, :reason, :now);

-- name: approval_of(action, subject)
-- The newest decision of this kind about a transfer.
SELECT approved_by, reason, at
  FROM approval
 WHERE action = :action AND subject = :subject
 ORDER BY id DESC
 LIMIT 1;

-- name: open_asks()
-- What people asked about transfers and nobody has answered, oldest first (index approval_is_asked_once).
SELECT id, action, subject, seen_reason, asked_by, reason
  FROM asked_approval
 WHERE taken_at IS NULL
 ORDER BY id;

-- name: answer_ask(id, outcome, answer, now)
-- The answer to what a person asked, once.
UPDATE asked_approval
   SET taken_at = :now, outcome = :outcome, answer = :answer
 WHERE id = :id AND taken_at IS NULL;

-- name: accounts_to_drive(driven_before, due_before)
-- Accounts with open transfers that nobody has driven for a while, or with a transfer past its deadline.
SELECT a.address, a.chain_id
  FROM account a
 WHERE EXISTS (
       SELECT 1 FROM transfer t
        WHERE t.account_address = a.address AND t.chain_id = a.chain_id
          AND (t.transfer_status IN ('reserved', 'signed', 'live', 'included')
               OR (t.transfer_status IN ('created', 'approved') AND a.account_status <> 'frozen'))
          AND (a.updated_at <= :driven_before OR t.due_at <= :due_before))
 ORDER BY a.address, a.chain_id;

-- name: overdue_transfers(due_before)
-- Transfers that are not final and past their deadline; a person is told.
SELECT unique_id, transfer_status, reason, value_wei, due_at
  FROM transfer
 WHERE due_at <= :due_before
   AND transfer_status IN ('created', 'approved', 'held', 'reserved', 'signed', 'live', 'included')
 ORDER BY due_at
 LIMIT 200;

-- name: message_made(outbox_id)
-- When one of our messages was kept, and for when.
SELECT created_at, schedule_at
  FROM outbox
 WHERE id = :outbox_id;
