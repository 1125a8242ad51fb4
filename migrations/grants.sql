-- Who may do what. Applied after every migration, as a whole: first everything is taken away, then this is given.
-- No role may DELETE anything; history, postings, entries, arrivals and messages are written once and never changed.
-- A service may change only the columns named here, so no service can change an amount, an address or a weight that
-- another one relies on. A row-level foreign key needs no privilege on the table it refers to.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor, gcpay_operator;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor, gcpay_operator;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor, gcpay_operator;
-- No temporary tables: one that is named like a real table would stand before it.
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
GRANT USAGE ON SCHEMA public TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor, gcpay_operator;

-- The predecessor's payout reader: one view of what is completed, and no table.
REVOKE ALL ON SCHEMA compat FROM PUBLIC, gcpay_compat_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA compat FROM PUBLIC, gcpay_compat_reader;
REVOKE ALL ON SCHEMA public FROM gcpay_compat_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM gcpay_compat_reader;
GRANT USAGE ON SCHEMA compat TO gcpay_compat_reader;
GRANT SELECT ON compat.payout_accumulation TO gcpay_compat_reader;

-- Every service: tells its story, keeps its books, leaves its messages.
GRANT SELECT, INSERT ON history TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT SELECT, INSERT ON posting TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT SELECT, INSERT ON book_entry TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT SELECT, INSERT ON outbox TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT UPDATE (sent_at, task_name) ON outbox TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT SELECT, INSERT ON refused_message TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT SELECT, INSERT ON alert TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT UPDATE (delivery_attempts, next_delivery_at, delivered_at) ON alert TO gcpay_batcher; -- which delivers them
GRANT SELECT ON heartbeat TO gcpay_intake; -- a payment may be the first to notice that the scheduler stopped
GRANT SELECT, INSERT ON heartbeat TO gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT UPDATE (beat_at, silent_after) ON heartbeat TO gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT SELECT ON pause TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;
GRANT SELECT ON schema_migration TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor; -- is the schema ours?
GRANT SELECT ON allowed_transition TO gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor;

-- Intake records payments and changes none.
GRANT SELECT, INSERT ON payout_accumulation TO gcpay_intake;

-- The batcher forms batches, opens orders, shares out arrivals.
GRANT SELECT ON payout_accumulation TO gcpay_batcher;
GRANT UPDATE (conversion_status, parked_reason, batch_conversion_id, converted_usdt_amount_units, conversion_tx_hash, usdt_tx_hash, updated_at, due_at) ON payout_accumulation TO gcpay_batcher;
GRANT SELECT, INSERT ON batch_conversions TO gcpay_batcher;
GRANT UPDATE (conversion_status, reason, usdt_arrived_units, eth_tx_hash, usdt_tx_hash, updated_at, due_at) ON batch_conversions TO gcpay_batcher;
GRANT SELECT, INSERT ON batch_member TO gcpay_batcher;
GRANT UPDATE (share_usdt_units, live) ON batch_member TO gcpay_batcher;
GRANT SELECT, INSERT ON exchange_order TO gcpay_batcher;
GRANT UPDATE (order_status, reason, cn_api_id, payin_address, expected_to_text, exchange_status, sent_at, updated_at, due_at) ON exchange_order TO gcpay_batcher;
GRANT SELECT, INSERT ON threshold_check TO gcpay_batcher;
GRANT INSERT ON pause TO gcpay_batcher; -- a result outside its band pauses new batches
GRANT UPDATE (reason, paused_by, paused_at, expires_at) ON pause TO gcpay_batcher;
GRANT SELECT ON arrival TO gcpay_batcher;
GRANT SELECT ON hostpay_request TO gcpay_batcher;
GRANT SELECT ON transfer TO gcpay_batcher;
GRANT SELECT ON approval TO gcpay_batcher;

-- The conductor drives one order to its result.
GRANT SELECT, INSERT ON hostpay_request TO gcpay_conductor;
GRANT UPDATE (request_status, reason, eth_tx_hash, polls, watching_since, updated_at, due_at) ON hostpay_request TO gcpay_conductor;
GRANT SELECT, INSERT ON arrival TO gcpay_conductor;
GRANT SELECT, INSERT ON exchange_order TO gcpay_conductor;
GRANT UPDATE (order_status, reason, exchange_status, payin_hash, payout_hash, refund_hash, updated_at, due_at) ON exchange_order TO gcpay_conductor;
GRANT SELECT ON batch_conversions TO gcpay_conductor;
GRANT SELECT ON transfer TO gcpay_conductor;
GRANT SELECT ON approval TO gcpay_conductor;
GRANT SELECT (unique_id, evidence) ON slot TO gcpay_conductor;

-- The executor pays. What it pays, and where, it reads from rows that it cannot write.
GRANT SELECT, INSERT ON transfer TO gcpay_executor;
GRANT UPDATE (transfer_status, reason, superseded_by, updated_at, due_at) ON transfer TO gcpay_executor;
GRANT SELECT, INSERT ON slot TO gcpay_executor;
GRANT UPDATE (hold_wei, outcome, evidence, gas_wei, final_at) ON slot TO gcpay_executor;
GRANT SELECT, INSERT ON attempt TO gcpay_executor;
GRANT UPDATE (first_send_started_at, last_send_started_at, first_block, included_block_number, included_block_hash, archive_number, archive_hash) ON attempt TO gcpay_executor;
GRANT SELECT, INSERT ON send_log TO gcpay_executor;
GRANT SELECT, INSERT ON signed_nonce TO gcpay_executor; -- what was promised stays promised
GRANT SELECT, INSERT ON cancel_request TO gcpay_executor;
GRANT SELECT, INSERT ON approval TO gcpay_executor;
GRANT SELECT ON asked_approval TO gcpay_executor;
GRANT UPDATE (taken_at, outcome, answer) ON asked_approval TO gcpay_executor;
GRANT SELECT, INSERT ON account TO gcpay_executor;
GRANT UPDATE (account_status, reason, next_nonce, drive_lease_by, drive_lease_until, updated_at) ON account TO gcpay_executor;
GRANT SELECT ON exchange_order TO gcpay_executor;
GRANT SELECT ON hostpay_request TO gcpay_executor;
-- What clients own of the wallet and may not be spent for anybody else.
GRANT SELECT (id, payment_ref, conversion_status, net_wei) ON payout_accumulation TO gcpay_executor;
-- What its bytes pay for, for the copy that is kept outside the database.
GRANT SELECT ON batch_conversions TO gcpay_executor;
GRANT SELECT ON batch_member TO gcpay_executor;
GRANT INSERT ON pause TO gcpay_executor; -- a database that is older than what the wallet sent forms no batch
GRANT UPDATE (reason, paused_by, paused_at, expires_at) ON pause TO gcpay_executor;

-- The operator reads everything. What a person does is in the operator log in the same commit; a person moves payments,
-- batches and requests that wait for one, never an amount, an address, an order at the exchange or the wallet.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO gcpay_operator;
GRANT INSERT ON operator_log TO gcpay_operator;
GRANT INSERT ON asked_approval TO gcpay_operator; -- the executor decides
GRANT INSERT ON history TO gcpay_operator;
GRANT INSERT ON posting TO gcpay_operator;
GRANT INSERT ON book_entry TO gcpay_operator; -- a batch that is released takes its posting back
GRANT INSERT ON outbox TO gcpay_operator; -- the fence is asked for as the conductor would; its sweep makes the task
GRANT INSERT ON pause TO gcpay_operator;
GRANT UPDATE (reason, paused_by, paused_at, expires_at) ON pause TO gcpay_operator;
GRANT UPDATE (conversion_status, parked_reason, batch_conversion_id, v1_batch_conversion_id, updated_at, due_at) ON payout_accumulation TO gcpay_operator;
GRANT UPDATE (conversion_status, reason, attempts_forgiven, updated_at, due_at) ON batch_conversions TO gcpay_operator;
GRANT UPDATE (live) ON batch_member TO gcpay_operator;
GRANT UPDATE (request_status, reason, updated_at, due_at) ON hostpay_request TO gcpay_operator;
