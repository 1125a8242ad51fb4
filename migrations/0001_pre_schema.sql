-- The fleet's tables. Amounts are integers of the smallest unit and end in it: _usd_micros, _wei, _usdt_units.
-- Every state column is guarded by history's reference to allowed_transition; every rule that must hold under
-- concurrency is a named constraint, because only the database sees two instances at once.

-- What a machine may do, filled from shared.lifecycle after each migration; '' stands for "did not exist".
CREATE TABLE allowed_transition (
    machine text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    event text NOT NULL,
    CONSTRAINT allowed_transition_is_named_once PRIMARY KEY (machine, from_state, to_state, event)
);

-- One row per transition, written in the commit that makes it. Append-only. Even psql cannot write a move that
-- the lifecycle does not list.
CREATE TABLE history (
    id bigint GENERATED ALWAYS AS IDENTITY,
    machine text NOT NULL,
    subject text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    event text NOT NULL,
    at timestamptz NOT NULL,
    trace text NOT NULL,
    evidence jsonb NOT NULL,
    CONSTRAINT history_is_numbered PRIMARY KEY (id),
    CONSTRAINT history_tells_allowed_moves FOREIGN KEY (machine, from_state, to_state, event)
        REFERENCES allowed_transition (machine, from_state, to_state, event)
);
CREATE INDEX history_by_subject ON history (machine, subject, id);

-- Messages to be sent, committed with the fact that causes them. id is the task's name, so making the task twice
-- makes it once. Append-only but for the two columns that say it was made.
CREATE TABLE outbox (
    id uuid NOT NULL,
    service text NOT NULL,
    edge text NOT NULL,
    message_type smallint NOT NULL,
    message_id bytea NOT NULL,
    body bytea NOT NULL,
    trace text NOT NULL,
    created_at timestamptz NOT NULL,
    schedule_at timestamptz NOT NULL,
    sent_at timestamptz,
    task_name text,
    CONSTRAINT outbox_is_named_once PRIMARY KEY (id),
    CONSTRAINT outbox_message_id_has_16_bytes CHECK (octet_length(message_id) = 16)
);
CREATE INDEX outbox_unsent ON outbox (service, created_at) WHERE sent_at IS NULL;

-- A task message that was refused for good: kept, because the queue is told 200 and will not repeat it.
CREATE TABLE refused_message (
    id bigint GENERATED ALWAYS AS IDENTITY,
    service text NOT NULL,
    route text NOT NULL,
    caller text NOT NULL,
    task_name text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    reference text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT refused_message_is_numbered PRIMARY KEY (id)
);

-- What a person should know. dedupe_key: the same trouble is told once.
CREATE TABLE alert (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    dedupe_key text NOT NULL,
    service text NOT NULL,
    subject text NOT NULL,
    message text NOT NULL,
    evidence jsonb NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT alert_is_numbered PRIMARY KEY (id),
    CONSTRAINT alert_is_told_once UNIQUE (dedupe_key)
);

-- A stage that is paused: intake, batching or sending. No row, or one that has expired: it runs.
CREATE TABLE pause (
    stage text NOT NULL,
    reason text NOT NULL,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL,
    expires_at timestamptz,
    CONSTRAINT pause_is_one_per_stage PRIMARY KEY (stage),
    CONSTRAINT pause_names_a_stage CHECK (stage IN ('intake', 'batching', 'sending'))
);

-- A batch: the payments that share one order.
CREATE TABLE batch_conversions (
    batch_conversion_id uuid NOT NULL,
    conversion_status text NOT NULL,
    reason text,
    funding text NOT NULL,
    payment_count integer NOT NULL,
    total_pending_usd_micros bigint NOT NULL,
    threshold_usd_micros bigint NOT NULL,
    members_wei numeric(78, 0) NOT NULL,       -- sum of its members' wei
    dust_in_wei numeric(78, 0) NOT NULL,       -- carried in from earlier batches
    ordered_wei numeric(78, 0) NOT NULL,       -- floor(members + dust_in) to what the exchange takes
    dust_out_wei numeric(78, 0) NOT NULL,      -- what that floor cut off, carried on
    expected_usdt_units bigint NOT NULL,       -- the exchange's quote for ordered_wei before the claim
    feed_answer numeric(78, 0) NOT NULL,       -- the independent price used by the guard
    feed_decimals smallint NOT NULL,
    usdt_arrived_units bigint,
    eth_tx_hash text,
    usdt_tx_hash text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,                        -- the sweep acts after it; null when final
    CONSTRAINT batch_is_named_once PRIMARY KEY (batch_conversion_id),
    CONSTRAINT batch_status_is_known CHECK (conversion_status IN ('pending', 'swapping', 'completed', 'released', 'parked')),
    CONSTRAINT batch_funding_is_known CHECK (funding IN ('received', 'quoted')),
    CONSTRAINT batch_amounts_are_positive CHECK (payment_count > 0 AND total_pending_usd_micros > 0 AND ordered_wei > 0),
    CONSTRAINT batch_orders_its_members_and_dust CHECK (ordered_wei + dust_out_wei = members_wei + dust_in_wei AND dust_out_wei >= 0 AND dust_in_wei >= 0),
    CONSTRAINT batch_completed_has_an_arrival CHECK (conversion_status <> 'completed' OR (usdt_arrived_units > 0 AND usdt_tx_hash IS NOT NULL))
);
CREATE INDEX batch_by_due ON batch_conversions (due_at) WHERE due_at IS NOT NULL;

-- A payment: weight (pending_usd_amount) and share (converted_usdt_amount) are different columns for ever.
CREATE TABLE payout_accumulation (
    id bigint GENERATED ALWAYS AS IDENTITY,
    payment_ref text NOT NULL,                 -- the gateway's payment id as text, else a hash of the body
    request_hash text NOT NULL,                -- of what must not change under one payment_ref
    user_id bigint NOT NULL,
    client_id text NOT NULL,
    client_wallet_address text NOT NULL,
    client_payout_currency text NOT NULL,
    client_payout_network text NOT NULL,
    subscription_id bigint,
    payment_timestamp text NOT NULL,           -- as the webhook said it; it carries no zone
    raw_amount_text text NOT NULL,             -- as the webhook said it, before cutting to the unit
    payment_amount_usd_micros bigint NOT NULL,
    fee_rate_ppm integer NOT NULL,
    fee_usd_micros bigint NOT NULL,
    pending_usd_amount_micros bigint NOT NULL, -- the weight: amount less fee
    nowpayments_payment_id text,
    nowpayments_pay_address text,
    raw_outcome_text text,
    outcome_currency text,
    gross_wei numeric(78, 0),
    fee_wei numeric(78, 0),
    net_wei numeric(78, 0),
    conversion_status text NOT NULL,
    parked_reason text,
    batch_conversion_id uuid,
    converted_usdt_amount_units bigint,        -- the share
    conversion_tx_hash text,                   -- the ETH transfer
    usdt_tx_hash text,                         -- the arrival
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    CONSTRAINT payment_is_numbered PRIMARY KEY (id),
    CONSTRAINT payment_counted_once UNIQUE (payment_ref),
    CONSTRAINT payment_status_is_known CHECK (conversion_status IN ('pending', 'swapping', 'completed', 'parked')),
    CONSTRAINT payment_adds_up CHECK (payment_amount_usd_micros > 0 AND fee_usd_micros >= 0 AND pending_usd_amount_micros >= 0
        AND payment_amount_usd_micros = fee_usd_micros + pending_usd_amount_micros),
    CONSTRAINT payment_wei_adds_up CHECK ((gross_wei IS NULL AND fee_wei IS NULL AND net_wei IS NULL)
        OR (gross_wei > 0 AND fee_wei >= 0 AND net_wei >= 0 AND gross_wei = fee_wei + net_wei)),
    CONSTRAINT payment_has_a_batch_while_swapping CHECK ((conversion_status IN ('swapping', 'completed')) = (batch_conversion_id IS NOT NULL)),
    CONSTRAINT payment_has_a_share_when_completed CHECK ((conversion_status = 'completed') = (converted_usdt_amount_units IS NOT NULL)),
    CONSTRAINT payment_share_is_not_negative CHECK (converted_usdt_amount_units >= 0),
    CONSTRAINT payment_parked_says_why CHECK ((conversion_status = 'parked') = (parked_reason IS NOT NULL)),
    CONSTRAINT payment_belongs_to_a_batch FOREIGN KEY (batch_conversion_id) REFERENCES batch_conversions (batch_conversion_id)
);
CREATE INDEX payment_pending ON payout_accumulation (id) INCLUDE (pending_usd_amount_micros, net_wei) WHERE conversion_status = 'pending';
CREATE INDEX payment_by_batch ON payout_accumulation (batch_conversion_id) WHERE batch_conversion_id IS NOT NULL;

-- Who was in which batch, with the weight and wei it brought. live = the batch has not given it back.
CREATE TABLE batch_member (
    batch_conversion_id uuid NOT NULL,
    payment_id bigint NOT NULL,
    weight_usd_micros bigint NOT NULL,
    wei numeric(78, 0) NOT NULL,
    share_usdt_units bigint,
    live boolean NOT NULL,
    CONSTRAINT batch_member_is_once_per_batch PRIMARY KEY (batch_conversion_id, payment_id),
    CONSTRAINT batch_member_names_a_batch FOREIGN KEY (batch_conversion_id) REFERENCES batch_conversions (batch_conversion_id),
    CONSTRAINT batch_member_names_a_payment FOREIGN KEY (payment_id) REFERENCES payout_accumulation (id),
    CONSTRAINT batch_member_is_not_negative CHECK (weight_usd_micros >= 0 AND wei >= 0 AND share_usdt_units >= 0)
);
CREATE UNIQUE INDEX payment_is_in_one_live_batch ON batch_member (payment_id) WHERE live;

-- One row per attempt to open an order, written before the exchange is asked. Only an adopted one is ever funded.
CREATE TABLE exchange_order (
    id bigint GENERATED ALWAYS AS IDENTITY,
    context text NOT NULL,
    batch_conversion_id uuid,                  -- null for an instant order
    attempt_no integer NOT NULL,
    order_status text NOT NULL,
    reason text,
    from_currency text NOT NULL,
    from_network text NOT NULL,
    to_currency text NOT NULL,
    to_network text NOT NULL,
    amount_wei numeric(78, 0) NOT NULL,
    payout_address text NOT NULL,
    refund_address text,
    cn_api_id text,
    payin_address text,
    expected_to_text text,                     -- the exchange's expected payout, as it wrote it: a hint
    exchange_status text,                      -- the exchange's own last word: a hint
    payin_hash text,
    payout_hash text,
    refund_hash text,
    key_alias text NOT NULL,                   -- which API key made it; another key cannot read it
    sent_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    CONSTRAINT order_is_numbered PRIMARY KEY (id),
    CONSTRAINT order_id_is_used_once UNIQUE (cn_api_id),
    CONSTRAINT order_attempt_is_numbered_once UNIQUE (batch_conversion_id, attempt_no),
    CONSTRAINT order_context_is_known CHECK (context IN ('batch', 'instant')),
    CONSTRAINT order_of_a_batch_names_it CHECK ((context = 'batch') = (batch_conversion_id IS NOT NULL)),
    CONSTRAINT order_status_is_known CHECK (order_status IN ('sending', 'created', 'adopted', 'unknown', 'refused', 'abandoned', 'finished', 'refunded', 'failed', 'expired', 'held')),
    CONSTRAINT order_adopted_is_complete CHECK (order_status NOT IN ('created', 'adopted', 'finished', 'refunded', 'failed', 'expired', 'held')
        OR (cn_api_id IS NOT NULL AND payin_address IS NOT NULL)),
    CONSTRAINT order_amount_is_positive CHECK (amount_wei > 0),
    CONSTRAINT order_belongs_to_a_batch FOREIGN KEY (batch_conversion_id) REFERENCES batch_conversions (batch_conversion_id)
);
CREATE UNIQUE INDEX batch_adopts_one_order ON exchange_order (batch_conversion_id)
    WHERE order_status IN ('created', 'adopted', 'held', 'failed', 'expired', 'finished');
-- One transaction brings back one order's ETH.
CREATE UNIQUE INDEX refund_is_counted_once ON exchange_order (refund_hash) WHERE order_status = 'refunded';

-- The conductor's job of having one order paid and its result found.
CREATE TABLE hostpay_request (
    unique_id text NOT NULL,                   -- batch_<uuid>, or the upstream's id for an instant payout
    context text NOT NULL,
    batch_conversion_id uuid,
    order_id bigint NOT NULL,
    cn_api_id text NOT NULL,
    amount_wei numeric(78, 0) NOT NULL,
    payin_address text NOT NULL,
    request_status text NOT NULL,
    reason text,
    eth_tx_hash text,
    polls integer NOT NULL,
    watching_since timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    CONSTRAINT request_is_named_once PRIMARY KEY (unique_id),
    CONSTRAINT request_is_one_per_order UNIQUE (order_id),
    CONSTRAINT request_context_is_known CHECK (context IN ('batch', 'instant')),
    CONSTRAINT request_of_a_batch_names_it CHECK ((context = 'batch') = (batch_conversion_id IS NOT NULL)),
    CONSTRAINT request_belongs_to_a_batch FOREIGN KEY (batch_conversion_id) REFERENCES batch_conversions (batch_conversion_id),
    CONSTRAINT request_status_is_known CHECK (request_status IN ('received', 'checking', 'paying', 'watching', 'reported', 'parked')),
    CONSTRAINT request_names_its_order FOREIGN KEY (order_id) REFERENCES exchange_order (id)
);
CREATE INDEX request_by_due ON hostpay_request (due_at) WHERE due_at IS NOT NULL;

-- USDT seen arriving on chain at the host wallet, finalized. One log is credited once, to one batch.
CREATE TABLE arrival (
    tx_hash text NOT NULL,
    log_index integer NOT NULL,
    batch_conversion_id uuid NOT NULL,
    cn_api_id text NOT NULL,
    token_contract text NOT NULL,
    from_address text NOT NULL,
    to_address text NOT NULL,
    usdt_units bigint NOT NULL,
    block_number bigint NOT NULL,
    block_hash text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT arrival_is_counted_once PRIMARY KEY (tx_hash, log_index),
    CONSTRAINT arrival_is_one_per_batch UNIQUE (batch_conversion_id),
    CONSTRAINT arrival_is_positive CHECK (usdt_units > 0),
    CONSTRAINT arrival_names_a_batch FOREIGN KEY (batch_conversion_id) REFERENCES batch_conversions (batch_conversion_id)
);

-- The host wallet as the executor sees it: the row that is locked. next_nonce only grows.
CREATE TABLE account (
    address text NOT NULL,
    chain_id bigint NOT NULL,
    account_status text NOT NULL,
    reason text,
    next_nonce bigint NOT NULL,
    drive_lease_by uuid,                       -- who drives the account now ...
    drive_lease_until timestamptz,             -- ... and when a killed driver is forgotten
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT account_is_named_once PRIMARY KEY (address, chain_id),
    CONSTRAINT account_status_is_known CHECK (account_status IN ('active', 'low_funds', 'frozen')),
    CONSTRAINT account_nonce_is_not_negative CHECK (next_nonce >= 0)
);

-- One outgoing ETH payment. For ever one transfer = one slot = one nonce.
CREATE TABLE transfer (
    unique_id text NOT NULL,                   -- the request it pays; asking twice finds this row
    request_hash text NOT NULL,                -- of amount, address, order: asking differently freezes
    context text NOT NULL,
    batch_conversion_id uuid,
    cn_api_id text NOT NULL,
    order_id bigint NOT NULL,
    account_address text NOT NULL,
    chain_id bigint NOT NULL,
    to_address text NOT NULL,
    value_wei numeric(78, 0) NOT NULL,
    transfer_status text NOT NULL,
    reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    CONSTRAINT transfer_is_named_once PRIMARY KEY (unique_id),
    CONSTRAINT transfer_is_one_per_order UNIQUE (order_id),
    CONSTRAINT transfer_status_is_known CHECK (transfer_status IN ('created', 'approved', 'held', 'reserved', 'signed', 'live', 'included', 'settled', 'reverted', 'cancelled', 'foreign', 'void')),
    CONSTRAINT transfer_is_positive CHECK (value_wei > 0),
    CONSTRAINT transfer_context_is_known CHECK (context IN ('batch', 'instant')),
    CONSTRAINT transfer_of_a_batch_names_it CHECK ((context = 'batch') = (batch_conversion_id IS NOT NULL)),
    CONSTRAINT transfer_belongs_to_a_batch FOREIGN KEY (batch_conversion_id) REFERENCES batch_conversions (batch_conversion_id),
    CONSTRAINT transfer_pays_an_order FOREIGN KEY (order_id) REFERENCES exchange_order (id),
    CONSTRAINT transfer_leaves_an_account FOREIGN KEY (account_address, chain_id) REFERENCES account (address, chain_id)
);
-- The fence: a batch has at most one transfer that is not void.
CREATE UNIQUE INDEX batch_has_one_transfer ON transfer (batch_conversion_id) WHERE transfer_status <> 'void' AND batch_conversion_id IS NOT NULL;
CREATE INDEX transfer_open ON transfer (account_address, chain_id, created_at)
    WHERE transfer_status IN ('created', 'approved', 'reserved', 'signed', 'live', 'included');

-- A nonce and the transfer that owns it. Final only with evidence from a finalized block.
CREATE TABLE slot (
    account_address text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    unique_id text NOT NULL,
    gas_limit bigint NOT NULL,
    hold_wei numeric(78, 0) NOT NULL,          -- value + gas limit x fee cap, until final
    outcome text,                              -- null while open
    evidence jsonb,
    gas_wei numeric(78, 0),
    reserved_at timestamptz NOT NULL,
    final_at timestamptz,
    CONSTRAINT slot_nonce_is_used_once PRIMARY KEY (account_address, chain_id, nonce),
    CONSTRAINT slot_belongs_to_one_transfer UNIQUE (unique_id),
    CONSTRAINT slot_outcome_is_known CHECK (outcome IN ('settled', 'reverted', 'cancelled', 'foreign')),
    CONSTRAINT slot_final_has_evidence CHECK ((outcome IS NULL) = (evidence IS NULL) AND (outcome IS NULL) = (final_at IS NULL)),
    CONSTRAINT slot_names_its_transfer FOREIGN KEY (unique_id) REFERENCES transfer (unique_id)
);

-- Signed bytes. Stored before they are first sent, never deleted, all of one slot alike but for their fees.
CREATE TABLE attempt (
    account_address text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    seq integer NOT NULL,
    kind text NOT NULL,
    raw bytea NOT NULL,
    tx_hash text NOT NULL,
    tip_wei numeric(78, 0) NOT NULL,
    cap_wei numeric(78, 0) NOT NULL,
    signed_at timestamptz NOT NULL,
    first_send_started_at timestamptz,
    last_send_started_at timestamptz,
    first_block bigint,                        -- the head when it was first sent: where a scan begins
    included_block_number bigint,
    included_block_hash text,
    CONSTRAINT attempt_is_numbered_once PRIMARY KEY (account_address, chain_id, nonce, seq),
    CONSTRAINT attempt_hash_is_stored_once UNIQUE (tx_hash),
    CONSTRAINT attempt_kind_is_known CHECK (kind IN ('pay', 'cancel')),
    CONSTRAINT attempt_belongs_to_a_slot FOREIGN KEY (account_address, chain_id, nonce) REFERENCES slot (account_address, chain_id, nonce)
);

-- What each provider answered to a send, word for word. Answers only tune timers.
CREATE TABLE send_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    tx_hash text NOT NULL,
    provider text NOT NULL,
    answer_class text NOT NULL,
    answer text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT send_log_is_numbered PRIMARY KEY (id),
    CONSTRAINT send_log_names_an_attempt FOREIGN KEY (tx_hash) REFERENCES attempt (tx_hash)
);

-- One row per tick of the scheduler: what was read, and what came of it.
CREATE TABLE threshold_check (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    total_pending_usd_micros bigint NOT NULL,
    threshold_usd_micros bigint NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    batch_conversion_id uuid,
    CONSTRAINT threshold_check_is_numbered PRIMARY KEY (id),
    CONSTRAINT threshold_check_names_a_batch FOREIGN KEY (batch_conversion_id) REFERENCES batch_conversions (batch_conversion_id)
);

-- Double entry. One posting per (event, subject); its entries sum to zero per asset, checked at commit.
CREATE TABLE posting (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event text NOT NULL,
    subject text NOT NULL,
    trace text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT posting_is_numbered PRIMARY KEY (id),
    CONSTRAINT posting_is_made_once UNIQUE (event, subject)
);
CREATE TABLE book_entry (
    posting_id bigint NOT NULL,
    line smallint NOT NULL,
    asset text NOT NULL,
    account text NOT NULL,
    amount numeric(78, 0) NOT NULL,            -- base units of the asset; debit positive
    CONSTRAINT book_entry_is_numbered PRIMARY KEY (posting_id, line),
    CONSTRAINT book_entry_belongs_to_a_posting FOREIGN KEY (posting_id) REFERENCES posting (id),
    CONSTRAINT book_entry_asset_is_known CHECK (asset IN ('ETH', 'USDT')),
    CONSTRAINT book_entry_moves_something CHECK (amount <> 0),
    CONSTRAINT book_entry_account_is_known CHECK (account IN ('wallet', 'gateway_receivable', 'clients_pending', 'platform_fee', 'gas',
        'in_transit', 'clients_owed', 'dust', 'exchange_cost', 'treasury', 'discrepancy'))
);
CREATE FUNCTION posting_must_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- public. is said: a temporary table of this name would otherwise be looked at instead
    IF EXISTS (SELECT 1 FROM public.book_entry WHERE posting_id = NEW.posting_id GROUP BY asset HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'posting % does not sum to zero', NEW.posting_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_balances';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER posting_balances AFTER INSERT ON book_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION posting_must_balance();
