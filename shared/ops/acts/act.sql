-- What the acts change. The row's lock is held and its state was read under it.

-- name: unpark_payment(id, now, due_at)
-- A parked payment is pending again.
UPDATE payout_accumulation
   SET conversion_status = 'pending', parked_reason = NULL, updated_at = :now, due_at = :due_at
 WHERE id = :id AND conversion_status = 'parked';

-- name: set_batch(batch_conversion_id, conversion_status, reason, now, due_at)
-- The batch's next state.
UPDATE batch_conversions
   SET conversion_status = :conversion_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE batch_conversion_id = :batch_conversion_id;

-- name: forgive_attempts(batch_conversion_id, attempts)
-- As many attempts to open an order as were made are not counted any more.
UPDATE batch_conversions SET attempts_forgiven = :attempts WHERE batch_conversion_id = :batch_conversion_id;

-- name: members(batch_conversion_id)
-- The live members with their payments, locked.
SELECT m.payment_id, m.wei, p.net_wei, p.conversion_status
  FROM batch_member m
  JOIN payout_accumulation p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = :batch_conversion_id AND m.live
 ORDER BY m.payment_id
   FOR NO KEY UPDATE OF p;

-- name: release_payments(batch_conversion_id, now, due_at)
-- The payments are pending again, with the wei they came with.
UPDATE payout_accumulation
   SET conversion_status = 'pending', batch_conversion_id = NULL, updated_at = :now, due_at = :due_at
 WHERE batch_conversion_id = :batch_conversion_id AND conversion_status = 'swapping';

-- name: release_members(batch_conversion_id)
-- The memberships end; their rows stay to tell who was in the batch.
UPDATE batch_member SET live = false WHERE batch_conversion_id = :batch_conversion_id AND live;

-- name: set_request(unique_id, request_status, reason, now, due_at)
-- The request's next state; the conductor's sweep acts when it is due.
UPDATE hostpay_request
   SET request_status = :request_status, reason = :reason, updated_at = :now, due_at = :due_at
 WHERE unique_id = :unique_id;

-- name: look_now(unique_id, now)
-- The conductor's next sweep looks at this request; its state stays.
UPDATE hostpay_request SET due_at = :now WHERE unique_id = :unique_id;

-- name: ask_approval(action, subject, seen_reason, asked_by, reason, now, log_number)
-- Asks the executor; approval_is_asked_once lets one of two operators win.
INSERT INTO asked_approval (action, subject, seen_reason, asked_by, reason, asked_at, log_number)
VALUES (:action, :subject, :seen_reason, :asked_by, :reason, :now, :log_number);
