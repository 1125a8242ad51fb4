-- Where a payment stood with the predecessor, for those that were open when it was replaced and were imported from it.

-- The row that it was imported from: an import that is repeated finds it.
ALTER TABLE payout_accumulation ADD COLUMN v1_row_id bigint;
CREATE UNIQUE INDEX payment_of_v1_is_imported_once ON payout_accumulation (v1_row_id) WHERE v1_row_id IS NOT NULL;

-- The predecessor's batch that was swapping it. Its order may have been paid, which nothing here can see: while this is
-- set the payment cannot leave `parked`, whoever tries. A person who has found out takes it away (gcpay release-v1).
ALTER TABLE payout_accumulation ADD COLUMN v1_batch_conversion_id uuid;
ALTER TABLE payout_accumulation ADD CONSTRAINT payment_of_a_v1_batch_is_parked
    CHECK (v1_batch_conversion_id IS NULL OR conversion_status = 'parked');
CREATE INDEX payment_by_v1_batch ON payout_accumulation (v1_batch_conversion_id) WHERE v1_batch_conversion_id IS NOT NULL;
