-- What a recovery reads and writes, as the owner of the tables. Every write leaves what is there already.

-- name: lock_account(address, chain_id)
-- The account, locked for one step of the recovery: nothing is given a verdict or a nonce meanwhile.
SELECT address, chain_id, account_status, reason, next_nonce
  FROM account
 WHERE lower(address) = lower(:address) AND chain_id = :chain_id
   FOR NO KEY UPDATE;

-- name: account(address, chain_id)
-- The account as it is.
SELECT address, chain_id, account_status, reason, next_nonce
  FROM account
 WHERE lower(address) = lower(:address) AND chain_id = :chain_id;

-- name: accounts()
-- Every account.
SELECT address, chain_id, account_status, reason, next_nonce FROM account ORDER BY address, chain_id;

-- name: lock_forming()
-- The batcher's own lock: no batch is claimed while a step of the recovery runs.
SELECT pg_advisory_xact_lock(7236501) IS NULL AS locked;

-- name: opened_with(subject)
-- The nonce with which the account was opened, and the block that was final then.
SELECT (evidence ->> 'next_nonce')::bigint AS next_nonce, (evidence ->> 'finalized_number')::bigint AS finalized_number
  FROM history
 WHERE machine = 'account' AND subject = :subject AND event = 'account_opened'
 ORDER BY id
 LIMIT 1;

-- name: slots(account_address, chain_id)
-- Every nonce that the database gave out, with the block under which it did.
SELECT s.nonce, s.unique_id, s.outcome, s.evidence, t.transfer_status,
       (SELECT (h.evidence ->> 'finalized_number')::bigint
          FROM history h
         WHERE h.machine = 'transfer' AND h.subject = s.unique_id AND h.event IN ('slot_reserved', 'transfer_found_sent')
         ORDER BY h.id LIMIT 1) AS reserved_under
  FROM slot s
  JOIN transfer t ON t.unique_id = s.unique_id
 WHERE s.account_address = :account_address AND s.chain_id = :chain_id
 ORDER BY s.nonce;

-- name: attempts(account_address, chain_id)
-- All stored bytes of the account by their hash, and whether they are known to have been sent.
SELECT nonce, seq, tx_hash, first_send_started_at IS NOT NULL AS sent, archive_number, archive_hash
  FROM attempt
 WHERE account_address = :account_address AND chain_id = :chain_id
 ORDER BY nonce, seq;

-- name: foreign_nonces(account_address, chain_id)
-- What earlier recoveries found, and whether a person has accepted it.
SELECT nonce, tx_hash, accepted_by FROM foreign_nonce WHERE account_address = :account_address AND chain_id = :chain_id;

-- name: insert_foreign(account_address, chain_id, nonce, tx_hash, evidence, found_by, now)
-- A nonce that somebody else used; found twice it stays as it was.
INSERT INTO foreign_nonce (account_address, chain_id, nonce, tx_hash, evidence, found_by, found_at)
VALUES (:account_address, :chain_id, :nonce, :tx_hash, :evidence::jsonb, :found_by, :now)
ON CONFLICT ON CONSTRAINT foreign_nonce_is_named_once DO NOTHING;

-- name: accept_foreign(account_address, chain_id, nonce, accepted_by, reason, now)
-- A person knows what that transaction was.
UPDATE foreign_nonce
   SET accepted_by = :accepted_by, accepted_reason = :reason, accepted_at = :now
 WHERE account_address = :account_address AND chain_id = :chain_id AND nonce = :nonce AND accepted_by IS NULL;

-- name: raise_next_nonce(address, chain_id, next_nonce)
-- The next nonce is above everything that was seen; it only grows.
UPDATE account SET next_nonce = :next_nonce
 WHERE address = :address AND chain_id = :chain_id AND next_nonce < :next_nonce;

-- name: forget_places(account_address, chain_id, above)
-- Places above this number are not in the archive any more; the executor keeps new copies of what is still open.
UPDATE attempt SET archive_number = NULL, archive_hash = NULL
 WHERE account_address = :account_address AND chain_id = :chain_id AND archive_number > :above;

-- name: set_account(address, chain_id, account_status, reason)
-- The account's new state.
UPDATE account SET account_status = :account_status, reason = :reason WHERE address = :address AND chain_id = :chain_id;

-- name: pause_batching(reason, paused_by, now)
-- No new batch until the recovery has ended; a pause that stands keeps its reason.
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES ('batching', :reason, :paused_by, :now, NULL)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, expires_at = NULL
 WHERE pause.expires_at IS NOT NULL;

-- name: resume_batching(paused_by, now)
-- Ends the pause that the freeze or the recovery made; a person's own pause stays.
UPDATE pause SET expires_at = :now
 WHERE stage = 'batching' AND paused_by = ANY(:paused_by::text[]) AND expires_at IS NULL;

-- name: lock_payments(payment_refs)
-- The batch's payments by their references at the gateway, locked in the order of their ids.
SELECT id, payment_ref, pending_usd_amount_micros, net_wei, conversion_status, batch_conversion_id
  FROM payout_accumulation
 WHERE payment_ref = ANY(:payment_refs::text[])
 ORDER BY id
   FOR UPDATE;

-- name: lock_batch(batch_conversion_id)
-- A batch, locked.
SELECT batch_conversion_id, conversion_status, members_wei, dust_in_wei, ordered_wei, dust_out_wei
  FROM batch_conversions
 WHERE batch_conversion_id = :batch_conversion_id
   FOR NO KEY UPDATE;

-- name: insert_batch(batch_conversion_id, funding, payment_count, total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, expected_usdt_units, feed_answer, feed_decimals, now, due_at)
-- The batch as it was claimed.
INSERT INTO batch_conversions (batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros,
       threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, expected_usdt_units, feed_answer,
       feed_decimals, created_at, updated_at, due_at)
VALUES (:batch_conversion_id, 'pending', :funding, :payment_count, :total_pending_usd_micros, :threshold_usd_micros,
       :members_wei, :dust_in_wei, :ordered_wei, :dust_out_wei, :expected_usdt_units, :feed_answer, :feed_decimals,
       :now, :now, :due_at);

-- name: set_batch(batch_conversion_id, conversion_status, reason, now, due_at)
-- The batch's next state.
UPDATE batch_conversions SET conversion_status = :conversion_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: put_members(batch_conversion_id, payment_ids, weights_usd_micros, weis)
-- The memberships, live; one that had ended is live again.
INSERT INTO batch_member (batch_conversion_id, payment_id, weight_usd_micros, wei, live)
SELECT :batch_conversion_id, m.payment_id, m.weight_usd_micros, m.wei, true
  FROM unnest(:payment_ids::bigint[], :weights_usd_micros::bigint[], :weis::numeric[]) AS m (payment_id, weight_usd_micros, wei)
ON CONFLICT ON CONSTRAINT batch_member_is_once_per_batch DO UPDATE SET live = true;

-- name: claim_payments(batch_conversion_id, payment_ids, now, due_at)
-- Takes pending payments into the batch.
UPDATE payout_accumulation
   SET conversion_status = 'swapping', batch_conversion_id = :batch_conversion_id, updated_at = :now, due_at = :due_at
 WHERE id = ANY(:payment_ids::bigint[]) AND conversion_status = 'pending';

-- name: members_of(batch_conversion_id)
-- Live members with what intake booked for them, their payments locked.
SELECT m.payment_id, p.net_wei
  FROM batch_member m
  JOIN payout_accumulation p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = :batch_conversion_id AND m.live
 ORDER BY m.payment_id
   FOR UPDATE OF p;

-- name: release_members(batch_conversion_id)
-- The memberships end; their rows stay.
UPDATE batch_member SET live = false WHERE batch_conversion_id = :batch_conversion_id AND live;

-- name: release_payments(batch_conversion_id, now, due_at)
-- The payments are pending again.
UPDATE payout_accumulation
   SET conversion_status = 'pending', batch_conversion_id = NULL, updated_at = :now, due_at = :due_at
 WHERE batch_conversion_id = :batch_conversion_id AND conversion_status = 'swapping';

-- name: nonces_of_batch(batch_conversion_id)
-- The nonces that were given out for a batch.
SELECT s.nonce FROM slot s JOIN transfer t ON t.unique_id = s.unique_id
 WHERE t.batch_conversion_id = :batch_conversion_id;

-- name: lock_orders_of(batch_conversion_id)
-- A batch's order attempts, locked.
SELECT id, attempt_no, order_status, cn_api_id, payin_address, amount_wei
  FROM exchange_order
 WHERE batch_conversion_id = :batch_conversion_id
 ORDER BY attempt_no
   FOR NO KEY UPDATE;

-- name: lock_order_named(cn_api_id)
-- The order with this id at the exchange, locked.
SELECT id, attempt_no, order_status, cn_api_id, payin_address, amount_wei, batch_conversion_id
  FROM exchange_order
 WHERE cn_api_id = :cn_api_id
   FOR NO KEY UPDATE;

-- name: insert_order(context, batch_conversion_id, attempt_no, from_currency, from_network, to_currency, to_network, amount_wei, payout_address, refund_address, cn_api_id, payin_address, expected_to_text, key_alias, now, due_at)
-- The order as it was adopted.
INSERT INTO exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency, from_network, to_currency,
       to_network, amount_wei, payout_address, refund_address, cn_api_id, payin_address, expected_to_text, key_alias, sent_at,
       created_at, updated_at, due_at)
VALUES (:context, :batch_conversion_id, :attempt_no, 'adopted', :from_currency, :from_network, :to_currency, :to_network,
       :amount_wei, :payout_address, :refund_address, :cn_api_id, :payin_address, :expected_to_text, :key_alias, :now, :now,
       :now, :due_at)
RETURNING id;

-- name: answer_order(order_id, cn_api_id, payin_address, expected_to_text, now, due_at)
-- The answer of the exchange that this attempt had.
UPDATE exchange_order
   SET order_status = 'adopted', reason = NULL, cn_api_id = :cn_api_id, payin_address = :payin_address,
       expected_to_text = :expected_to_text, updated_at = :now, due_at = :due_at
 WHERE id = :order_id;

-- name: set_order(order_id, order_status, reason, now)
-- An order that is never paid.
UPDATE exchange_order SET order_status = :order_status, reason = :reason, updated_at = :now, due_at = NULL
 WHERE id = :order_id;

-- name: lock_request(unique_id)
-- A request, locked.
SELECT unique_id, order_id, request_status FROM hostpay_request WHERE unique_id = :unique_id FOR UPDATE;

-- name: lock_requests_of(order_id)
-- The request of an order, locked.
SELECT unique_id, order_id, request_status FROM hostpay_request WHERE order_id = :order_id FOR UPDATE;

-- name: insert_request(unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, now, due_at)
-- The request that had the order paid.
INSERT INTO hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address,
       request_status, polls, created_at, updated_at, due_at)
VALUES (:unique_id, :context, :batch_conversion_id, :order_id, :cn_api_id, :amount_wei, :payin_address, 'paying', 0, :now,
       :now, :due_at);

-- name: bind_request(unique_id, order_id, cn_api_id, payin_address, now)
-- The request belongs to the order that was paid, not to the one that was opened after the restore.
UPDATE hostpay_request SET order_id = :order_id, cn_api_id = :cn_api_id, payin_address = :payin_address, updated_at = :now
 WHERE unique_id = :unique_id AND order_id <> :order_id;

-- name: set_request(unique_id, request_status, reason, now, due_at)
-- The request's next state.
UPDATE hostpay_request SET request_status = :request_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE unique_id = :unique_id;

-- name: lock_transfer(unique_id)
-- A transfer, locked, and whether it has a nonce.
SELECT t.unique_id, t.transfer_status, t.order_id, t.to_address, t.value_wei,
       EXISTS (SELECT 1 FROM slot s WHERE s.unique_id = t.unique_id) AS has_nonce
  FROM transfer t
 WHERE t.unique_id = :unique_id
   FOR UPDATE OF t;

-- name: lock_transfers_of(batch_conversion_id)
-- A batch's transfers, locked.
SELECT t.unique_id, t.transfer_status, t.order_id, t.superseded_by,
       EXISTS (SELECT 1 FROM slot s WHERE s.unique_id = t.unique_id) AS has_nonce
  FROM transfer t
 WHERE t.batch_conversion_id = :batch_conversion_id
 ORDER BY t.created_at, t.unique_id
   FOR UPDATE OF t;

-- name: insert_transfer(unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id, to_address, value_wei, supersedes, now, due_at)
-- The transfer whose bytes may be out.
INSERT INTO transfer (unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id,
       to_address, value_wei, transfer_status, supersedes, created_at, updated_at, due_at)
VALUES (:unique_id, :request_hash, :context, :batch_conversion_id, :cn_api_id, :order_id, :account_address, :chain_id,
       :to_address, :value_wei, 'live', :supersedes, :now, :now, :due_at);

-- name: bind_transfer(unique_id, request_hash, cn_api_id, order_id, to_address, now)
-- The transfer pays the order that was paid; nothing was signed for another one.
UPDATE transfer SET request_hash = :request_hash, cn_api_id = :cn_api_id, order_id = :order_id, to_address = :to_address,
       updated_at = :now
 WHERE unique_id = :unique_id;

-- name: set_transfer(unique_id, transfer_status, reason, now, due_at)
-- The transfer's next state.
UPDATE transfer SET transfer_status = :transfer_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE unique_id = :unique_id;

-- name: supersede_transfer(unique_id, superseded_by, now)
-- The transfer moved nothing for ever, and another one has taken its place.
UPDATE transfer SET superseded_by = :superseded_by, updated_at = :now WHERE unique_id = :unique_id AND superseded_by IS NULL;

-- name: slot_at(account_address, chain_id, nonce)
-- Whose nonce it is.
SELECT unique_id FROM slot WHERE account_address = :account_address AND chain_id = :chain_id AND nonce = :nonce;

-- name: slot_of(unique_id)
-- The nonce of a transfer.
SELECT nonce FROM slot WHERE unique_id = :unique_id;

-- name: insert_slot(account_address, chain_id, nonce, unique_id, gas_limit, hold_wei, at)
-- The nonce belongs to this transfer.
INSERT INTO slot (account_address, chain_id, nonce, unique_id, gas_limit, hold_wei, reserved_at)
VALUES (:account_address, :chain_id, :nonce, :unique_id, :gas_limit, :hold_wei, :at);

-- name: raise_hold(unique_id, hold_wei)
-- The hold covers the dearest of the bytes.
UPDATE slot SET hold_wei = greatest(hold_wei, :hold_wei) WHERE unique_id = :unique_id AND outcome IS NULL;

-- name: next_seq(account_address, chain_id, nonce, seq)
-- The number of the bytes in their slot; a later one if other bytes, which never left, have it.
SELECT CASE WHEN EXISTS (SELECT 1 FROM attempt WHERE account_address = :account_address AND chain_id = :chain_id
                            AND nonce = :nonce AND seq = :seq)
            THEN (SELECT max(seq) + 1 FROM attempt WHERE account_address = :account_address AND chain_id = :chain_id
                     AND nonce = :nonce)
            ELSE :seq::integer END AS seq;

-- name: insert_attempt(account_address, chain_id, nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, at, first_block, now, archive_number, archive_hash)
-- The bytes as they were signed; from now on they count as sent, because they may have been.
INSERT INTO attempt (account_address, chain_id, nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, signed_at,
       first_send_started_at, last_send_started_at, first_block, archive_number, archive_hash)
VALUES (:account_address, :chain_id, :nonce, :seq, :kind, :raw, :tx_hash, :tip_wei, :cap_wei, :at, :at, :now, :first_block,
       :archive_number, :archive_hash)
ON CONFLICT ON CONSTRAINT attempt_hash_is_stored_once DO NOTHING;

-- name: note_sent(tx_hash, at, now, first_block, archive_number, archive_hash)
-- Bytes of which a copy was kept may have been sent, whatever this database remembers.
UPDATE attempt
   SET first_send_started_at = coalesce(first_send_started_at, :at), last_send_started_at = coalesce(last_send_started_at, :now),
       first_block = coalesce(first_block, :first_block), archive_number = :archive_number, archive_hash = :archive_hash
 WHERE tx_hash = :tx_hash;

-- name: promise(account_address, chain_id, nonce, kind, to_address, value_wei)
-- What the key has promised for this nonce.
INSERT INTO signed_nonce (account_address, chain_id, nonce, kind, to_address, value_wei, data)
VALUES (:account_address, :chain_id, :nonce, :kind, :to_address, :value_wei, ''::bytea)
ON CONFLICT ON CONSTRAINT signed_nonce_is_promised_once DO NOTHING;

-- name: request_cancel(account_address, chain_id, nonce, unique_id, requested_by, reason, now)
-- The nonce was to be used for nothing.
INSERT INTO cancel_request (account_address, chain_id, nonce, unique_id, requested_by, reason, requested_at)
VALUES (:account_address, :chain_id, :nonce, :unique_id, :requested_by, :reason, :now)
ON CONFLICT ON CONSTRAINT cancel_request_is_made_once DO NOTHING;
