-- What a person decides about payments that the predecessor was swapping.

-- name: of_v1_batch(v1_batch_conversion_id)
-- The parked payments of one of the predecessor's batches, locked.
SELECT id, pending_usd_amount_micros, outcome_currency
  FROM payout_accumulation
 WHERE v1_batch_conversion_id = :v1_batch_conversion_id
 ORDER BY id
   FOR NO KEY UPDATE;

-- name: release_of_v1_batch(ids, now, due_at)
-- They are pending like any other; their history keeps where they came from.
UPDATE payout_accumulation
   SET conversion_status = 'pending', parked_reason = NULL, v1_batch_conversion_id = NULL, updated_at = :now, due_at = :due_at
 WHERE id = ANY (:ids::bigint[]) AND conversion_status = 'parked';
