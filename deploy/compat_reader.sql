-- For the database of the predecessor's payout reader, not for the fleet's: the reader goes on as it is, and marks here.
--
-- The fleet shows completed payments in compat.payout_accumulation, read only (migrations/0007_pre_compat_view.sql). Let
-- the reader's database see it first:
--
--     CREATE EXTENSION postgres_fdw;
--     CREATE SERVER fleet FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '...', port '5432', dbname '...');
--     CREATE USER MAPPING FOR <the reader's role> SERVER fleet OPTIONS (user 'gcpay_compat_reader', password '...');
--     CREATE SCHEMA fleet_remote;
--     IMPORT FOREIGN SCHEMA compat LIMIT TO (payout_accumulation) FROM SERVER fleet INTO fleet_remote;
--
-- Then run this, and give the reader's role the search path "fleet, public": its select finds the view below, its update
-- writes the table below. Without the table it would find a client due again every five minutes.

CREATE SCHEMA fleet;

-- Who was paid, by the reader's own word. One mark for each payment, never taken back.
CREATE TABLE fleet.paid_out (
    id bigint NOT NULL,
    payout_batch_id text NOT NULL,
    paid_out_at timestamp NOT NULL,
    CONSTRAINT paid_out_once PRIMARY KEY (id)
);

CREATE VIEW fleet.payout_accumulation AS
SELECT credited.id,
       credited.client_id,
       credited.user_id,
       credited.subscription_id,
       credited.payment_amount_usd,
       credited.accumulated_amount_usdt,
       credited.client_wallet_address,
       credited.client_payout_currency,
       credited.client_payout_network,
       credited.conversion_status,
       credited.batch_conversion_id,
       credited.conversion_tx_hash,
       credited.usdt_tx_hash,
       credited.nowpayments_payment_id,
       credited.nowpayments_pay_address,
       credited.nowpayments_outcome_amount,
       marked.id IS NOT NULL AS is_paid_out,
       marked.payout_batch_id,
       marked.paid_out_at,
       credited.created_at,
       credited.updated_at
  FROM fleet_remote.payout_accumulation AS credited
  LEFT JOIN fleet.paid_out AS marked ON marked.id = credited.id;

-- UPDATE ... SET is_paid_out = TRUE, payout_batch_id = ..., paid_out_at = ... becomes a mark; no other change is taken.
CREATE FUNCTION fleet.mark_paid_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.is_paid_out OR NOT NEW.is_paid_out
       OR (to_jsonb(NEW) - ARRAY['is_paid_out', 'payout_batch_id', 'paid_out_at', 'updated_at'])
          <> (to_jsonb(OLD) - ARRAY['is_paid_out', 'payout_batch_id', 'paid_out_at', 'updated_at']) THEN
        RAISE EXCEPTION 'payment % can be marked as paid out, once, and changed in no other way', OLD.id;
    END IF;
    INSERT INTO fleet.paid_out (id, payout_batch_id, paid_out_at) VALUES (OLD.id, NEW.payout_batch_id, NEW.paid_out_at);
    RETURN NEW;
END $$;
CREATE TRIGGER paid_out_is_marked INSTEAD OF UPDATE ON fleet.payout_accumulation
    FOR EACH ROW EXECUTE FUNCTION fleet.mark_paid_out();
