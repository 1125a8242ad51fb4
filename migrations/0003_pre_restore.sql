-- What makes a restored database notice that it is older than what left the wallet.

-- Where the copy of these bytes is in the archive outside the database: written before their first send is committed.
-- The newest of these places must be in the archive as it was, and nothing after it may be unknown here.
ALTER TABLE attempt ADD COLUMN archive_number bigint;
ALTER TABLE attempt ADD COLUMN archive_hash text;
ALTER TABLE attempt ADD CONSTRAINT attempt_place_in_the_archive_is_whole
    CHECK ((archive_number IS NULL) = (archive_hash IS NULL));
CREATE INDEX attempt_by_archive_number ON attempt (account_address, chain_id, archive_number)
    WHERE archive_number IS NOT NULL;

-- Nonces of the wallet that a finalized block shows used by a transaction which neither the database nor the archive
-- knows. Found by a recovery; the account stays frozen until a person has accepted each of them.
CREATE TABLE foreign_nonce (
    account_address text NOT NULL,
    chain_id bigint NOT NULL,
    nonce bigint NOT NULL,
    tx_hash text NOT NULL,
    evidence jsonb NOT NULL,
    found_by text NOT NULL,
    found_at timestamptz NOT NULL,
    accepted_by text,
    accepted_reason text,
    accepted_at timestamptz,
    CONSTRAINT foreign_nonce_is_named_once PRIMARY KEY (account_address, chain_id, nonce),
    CONSTRAINT foreign_nonce_leaves_an_account FOREIGN KEY (account_address, chain_id) REFERENCES account (address, chain_id),
    CONSTRAINT foreign_nonce_acceptance_is_whole CHECK ((accepted_by IS NULL) = (accepted_at IS NULL)
        AND (accepted_by IS NULL) = (accepted_reason IS NULL))
);
