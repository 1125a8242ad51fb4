-- What the drill asks of the database, as an operator.

-- name: frozen_account(address)
-- The wallet's account, if it is frozen, and why.
SELECT address, reason, next_nonce FROM account WHERE address = :address AND account_status = 'frozen';
