-- What a reservation asks about the wallet's slots, while it holds the wallet's lock: without these it reads every slot
-- that the wallet ever had.
CREATE INDEX slot_open ON slot (account_address, chain_id) INCLUDE (hold_wei) WHERE outcome IS NULL;
CREATE INDEX slot_by_time ON slot (account_address, chain_id, reserved_at);
CREATE INDEX slot_by_final_block ON slot (account_address, chain_id, ((evidence ->> 'block_number')::bigint))
    WHERE outcome IS NOT NULL;
