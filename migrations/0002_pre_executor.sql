-- What the executor needs to replace bytes, to cancel, to be fenced off, and to pay anew after a final contrary end.

-- What the key was asked to sign for each nonce, committed before it signs: one payment and, on request, one cancel.
-- Append-only. A second, different payment with a nonce is refused whatever bug or stolen identity asks for it.
CREATE TABLE signed_nonce (
    account_address text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    kind text NOT NULL,
    to_address text NOT NULL,
    value_wei numeric(78, 0) NOT NULL,
    data bytea NOT NULL,
    CONSTRAINT signed_nonce_is_promised_once PRIMARY KEY (account_address, chain_id, nonce, kind),
    CONSTRAINT signed_nonce_kind_is_known CHECK (kind IN ('pay', 'cancel')),
    CONSTRAINT signed_nonce_cancel_moves_nothing CHECK (kind <> 'cancel'
        OR (value_wei = 0 AND octet_length(data) = 0 AND lower(to_address) = lower(account_address)))
);

-- That a nonce shall be used for nothing: by a person, or because the order lapsed before its bytes were ever sent.
-- From this row's commit on the payment's bytes are not sent (again), and only now the signer signs a cancel.
CREATE TABLE cancel_request (
    account_address text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    unique_id text NOT NULL,
    requested_by text NOT NULL,
    reason text NOT NULL,
    requested_at timestamptz NOT NULL,
    CONSTRAINT cancel_request_is_made_once PRIMARY KEY (account_address, chain_id, nonce),
    CONSTRAINT cancel_request_names_a_slot FOREIGN KEY (account_address, chain_id, nonce) REFERENCES slot (account_address, chain_id, nonce)
);

-- What a person decided about a transfer, and why. Append-only; the newest of one action counts.
CREATE TABLE approval (
    id bigint GENERATED ALWAYS AS IDENTITY,
    action text NOT NULL,
    subject text NOT NULL,
    approved_by text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT approval_is_numbered PRIMARY KEY (id),
    CONSTRAINT approval_action_is_known CHECK (action IN ('cancel', 'held', 'repay', 'void')),
    CONSTRAINT approval_names_a_person_and_a_reason CHECK (approved_by <> '' AND reason <> '')
);
CREATE INDEX approval_by_subject ON approval (subject, action);

-- A transfer that ended without effect may be replaced once by another one, which a person approved. The old one
-- stays; the fence below counts only what can still move, or has moved, the batch's ETH.
ALTER TABLE transfer ADD COLUMN supersedes text;
ALTER TABLE transfer ADD COLUMN superseded_by text;
ALTER TABLE transfer ADD CONSTRAINT transfer_is_superseded_once UNIQUE (supersedes);
ALTER TABLE transfer ADD CONSTRAINT transfer_superseded_moved_nothing CHECK (superseded_by IS NULL
    OR transfer_status IN ('reverted', 'cancelled', 'foreign'));
DROP INDEX batch_has_one_transfer;
CREATE UNIQUE INDEX batch_has_one_transfer ON transfer (batch_conversion_id)
    WHERE transfer_status <> 'void' AND superseded_by IS NULL AND batch_conversion_id IS NOT NULL;

-- A request whose order was fenced off ends as abandoned: the batch's next order has a request of its own.
ALTER TABLE hostpay_request DROP CONSTRAINT request_status_is_known;
ALTER TABLE hostpay_request ADD CONSTRAINT request_status_is_known
    CHECK (request_status IN ('received', 'checking', 'paying', 'watching', 'reported', 'abandoned', 'parked'));
