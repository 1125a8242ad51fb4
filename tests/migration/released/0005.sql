-- What the code that was released with migration 0005 asked the database. Written by
-- python -m tests.migration.released, and never changed.

-- shared/books/ledger.sql:post as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
with made as (
    insert into posting (event, subject, at, trace) values ($1, $2, $3, $4)
    on conflict on constraint posting_is_made_once do nothing
    returning id
)
insert into book_entry (posting_id, line, asset, account, amount)
select made.id, entry.line, entry.asset, entry.account, entry.amount
from made
cross join unnest($5::smallint[], $6::text[], $7::text[], $8::numeric[])
    as entry (line, asset, account, amount)
;

-- shared/books/ledger.sql:entries_of as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
select entry.asset, entry.account, entry.amount
from posting join book_entry as entry on entry.posting_id = posting.id
where posting.event = $1 and posting.subject = $2
order by entry.line
;

-- shared/books/ledger.sql:totals as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
select asset, account, sum(amount) as amount from book_entry group by asset, account
;

-- shared/books/ledger.sql:unbalanced as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
select distinct posting_id from book_entry group by posting_id, asset having sum(amount) <> 0 order by posting_id limit 20
;

-- shared/db/alerts.sql:raise_alert as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
INSERT INTO alert (kind, dedupe_key, service, subject, message, evidence, at, severity, money_at_risk, concerned_rows,
       runbook, next_step)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9::text[],
       $10::text[], $11, $12)
ON CONFLICT ON CONSTRAINT alert_is_told_once DO NOTHING
;

-- shared/db/alerts.sql:record_refused as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
INSERT INTO refused_message (service, route, caller, task_name, code, message, reference, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
;

-- shared/db/heartbeat.sql:beat as gcpay_batcher, gcpay_conductor, gcpay_executor
INSERT INTO heartbeat (job, beat_at, silent_after) VALUES ($1, $2, $3)
ON CONFLICT ON CONSTRAINT heartbeat_is_one_per_job DO UPDATE
   SET beat_at = excluded.beat_at, silent_after = excluded.silent_after
 WHERE heartbeat.beat_at < excluded.beat_at
;

-- shared/db/heartbeat.sql:silent_jobs as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
SELECT job, beat_at FROM heartbeat WHERE silent_after <= $1 ORDER BY job
;

-- shared/db/heartbeat.sql:count_jobs as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
SELECT count(*) AS watched, count(*) FILTER (WHERE silent_after <= $1) AS silent
  FROM heartbeat
 WHERE silent_after IS NOT NULL
;

-- shared/db/history.sql:record as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
insert into history (machine, subject, from_state, to_state, event, at, trace, evidence)
values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)
;

-- shared/db/history.sql:record_many as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
insert into history (machine, subject, from_state, to_state, event, at, trace, evidence)
select $1, moved.subject, $2, $3, $4, $5, $6, $7::jsonb
from unnest($8::text[]) with ordinality as moved (subject, place)
order by moved.place
;

-- shared/db/history.sql:story_of as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
select id, from_state, to_state, event, at, trace, evidence
from history where machine = $1 and subject = $2 order by id
;

-- shared/db/history.sql:allow as the owner
insert into allowed_transition (machine, from_state, to_state, event)
select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
on conflict on constraint allowed_transition_is_named_once do nothing
;

-- shared/ops/acts/act.sql:unpark_payment as gcpay_operator
UPDATE payout_accumulation
   SET conversion_status = 'pending', parked_reason = NULL, updated_at = $1, due_at = $2
 WHERE id = $3 AND conversion_status = 'parked'
;

-- shared/ops/acts/act.sql:set_batch as gcpay_operator
UPDATE batch_conversions
   SET conversion_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE batch_conversion_id = $5
;

-- shared/ops/acts/act.sql:forgive_attempts as gcpay_operator
UPDATE batch_conversions SET attempts_forgiven = $1 WHERE batch_conversion_id = $2
;

-- shared/ops/acts/act.sql:members as gcpay_operator
SELECT m.payment_id, m.wei, p.net_wei, p.conversion_status
  FROM batch_member m
  JOIN payout_accumulation p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = $1 AND m.live
 ORDER BY m.payment_id
   FOR NO KEY UPDATE OF p
;

-- shared/ops/acts/act.sql:release_payments as gcpay_operator
UPDATE payout_accumulation
   SET conversion_status = 'pending', batch_conversion_id = NULL, updated_at = $1, due_at = $2
 WHERE batch_conversion_id = $3 AND conversion_status = 'swapping'
;

-- shared/ops/acts/act.sql:release_members as gcpay_operator
UPDATE batch_member SET live = false WHERE batch_conversion_id = $1 AND live
;

-- shared/ops/acts/act.sql:set_request as gcpay_operator
UPDATE hostpay_request
   SET request_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE unique_id = $5
;

-- shared/ops/acts/act.sql:look_now as gcpay_operator
UPDATE hostpay_request SET due_at = $1 WHERE unique_id = $2
;

-- shared/ops/acts/act.sql:ask_approval as gcpay_operator
INSERT INTO asked_approval (action, subject, seen_reason, asked_by, reason, asked_at, log_number)
VALUES ($1, $2, $3, $4, $5, $6, $7)
;

-- shared/ops/acts/log.sql:lock_log as gcpay_operator
SELECT pg_advisory_xact_lock(7236502) IS NULL AS locked
;

-- shared/ops/acts/log.sql:last_entry as gcpay_operator
SELECT number, hash FROM operator_log ORDER BY number DESC LIMIT 1
;

-- shared/ops/acts/log.sql:who as gcpay_operator
SELECT session_user::text AS database_role
;

-- shared/ops/acts/log.sql:append as gcpay_operator
INSERT INTO operator_log (number, at, by_whom, database_role, reason, action, subject, done, trace, previous_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
;

-- shared/ops/acts/log.sql:entries as gcpay_operator
SELECT number, at, by_whom, database_role, reason, action, subject, done, trace, previous_hash, hash
  FROM operator_log
 ORDER BY number
;

-- shared/ops/acts/log.sql:named_elsewhere as gcpay_operator
SELECT greatest((SELECT max((evidence ->> 'operator_log')::bigint) FROM history WHERE evidence ? 'operator_log'),
                (SELECT max(log_number) FROM asked_approval)) AS number
;

-- shared/ops/acts/stages.sql:pause_of as gcpay_operator
SELECT stage, reason, paused_by, paused_at, expires_at
  FROM pause
 WHERE stage = $1 AND (expires_at IS NULL OR expires_at > $2)
;

-- shared/ops/acts/stages.sql:pause as gcpay_operator
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at,
       expires_at = excluded.expires_at
;

-- shared/ops/acts/stages.sql:resume as gcpay_operator
UPDATE pause SET expires_at = $1 WHERE stage = $2 AND (expires_at IS NULL OR expires_at > $1)
;

-- shared/ops/acts/stages.sql:pauses as gcpay_operator
SELECT stage, reason, paused_by, paused_at, expires_at
  FROM pause
 WHERE expires_at IS NULL OR expires_at > $1
 ORDER BY stage
;

-- shared/ops/acts/standing.sql:find as gcpay_operator
SELECT found.kind, found.key, found.batch, found.order_id
  FROM (SELECT 1 AS place, 'payment' AS kind, p.id::text AS key, p.batch_conversion_id AS batch, NULL::bigint AS order_id
          FROM payout_accumulation p WHERE p.payment_ref = $1 OR p.nowpayments_payment_id = $1
        UNION ALL
        SELECT 2, 'batch', b.batch_conversion_id::text, b.batch_conversion_id, NULL
          FROM batch_conversions b WHERE b.batch_conversion_id::text = lower($1)
        UNION ALL
        SELECT 3, 'request', r.unique_id, r.batch_conversion_id, r.order_id
          FROM hostpay_request r WHERE r.unique_id = $1
        UNION ALL
        SELECT 4, 'order', o.id::text, o.batch_conversion_id, o.id
          FROM exchange_order o WHERE o.cn_api_id = $1
        UNION ALL
        SELECT 5, 'transaction', t.unique_id, t.batch_conversion_id, t.order_id
          FROM attempt a
          JOIN slot s ON s.account_address = a.account_address AND s.chain_id = a.chain_id AND s.nonce = a.nonce
          JOIN transfer t ON t.unique_id = s.unique_id
         WHERE a.tx_hash = lower($1)
        UNION ALL
        SELECT 6, 'transaction', t.unique_id, t.batch_conversion_id, t.order_id
          FROM slot s JOIN transfer t ON t.unique_id = s.unique_id
         WHERE lower(s.evidence ->> 'tx_hash') = lower($1)
        UNION ALL
        SELECT 7, 'transaction', a.cn_api_id, a.batch_conversion_id, NULL
          FROM arrival a WHERE a.tx_hash = lower($1)
        UNION ALL
        SELECT 8, 'transaction', o.id::text, o.batch_conversion_id, o.id
          FROM exchange_order o WHERE lower($1) IN (lower(o.payin_hash), lower(o.payout_hash), lower(o.refund_hash))) AS found
 ORDER BY found.place, found.order_id DESC NULLS LAST
 LIMIT 1
;

-- shared/ops/acts/standing.sql:payment as gcpay_operator
SELECT id, payment_ref, client_id, client_payout_currency, payment_amount_usd_micros, fee_usd_micros,
       pending_usd_amount_micros, outcome_currency, net_wei, conversion_status, parked_reason,
       batch_conversion_id::text AS batch_conversion_id, converted_usdt_amount_units, conversion_tx_hash, usdt_tx_hash,
       created_at, updated_at, due_at
  FROM payout_accumulation
 WHERE id = $1
;

-- shared/ops/acts/standing.sql:batch as gcpay_operator
SELECT batch_conversion_id::text AS batch_conversion_id, conversion_status, reason, funding, payment_count,
       total_pending_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, usdt_arrived_units, eth_tx_hash,
       usdt_tx_hash, attempts_forgiven, created_at, updated_at, due_at
  FROM batch_conversions
 WHERE batch_conversion_id = $1
;

-- shared/ops/acts/standing.sql:orders as gcpay_operator
SELECT id, attempt_no, order_status, reason, amount_wei, cn_api_id, payin_address, exchange_status, payin_hash,
       payout_hash, refund_hash, updated_at, due_at
  FROM exchange_order
 WHERE CASE WHEN $1::uuid IS NULL THEN id = $2 ELSE batch_conversion_id = $1 END
 ORDER BY attempt_no, id
;

-- shared/ops/acts/standing.sql:requests as gcpay_operator
SELECT unique_id, context, order_id, cn_api_id, amount_wei, payin_address, request_status, reason, eth_tx_hash, polls,
       watching_since, updated_at, due_at
  FROM hostpay_request
 WHERE CASE WHEN $1::uuid IS NULL THEN order_id = $2 ELSE batch_conversion_id = $1 END
 ORDER BY created_at, unique_id
;

-- shared/ops/acts/standing.sql:transfers as gcpay_operator
SELECT t.unique_id, t.cn_api_id, t.order_id, t.to_address, t.value_wei, t.transfer_status, t.reason, t.superseded_by,
       t.updated_at, t.due_at, s.nonce, s.outcome, s.gas_wei, s.evidence ->> 'tx_hash' AS tx_hash,
       (SELECT max(a.included_block_number) FROM attempt a
         WHERE a.account_address = s.account_address AND a.chain_id = s.chain_id AND a.nonce = s.nonce) AS in_block,
       EXISTS (SELECT 1 FROM approval p WHERE p.action = 'repay' AND p.subject = t.unique_id) AS repayable,
       EXISTS (SELECT 1 FROM cancel_request c WHERE c.unique_id = t.unique_id) AS to_be_cancelled,
       (SELECT string_agg(k.action, ', ' ORDER BY k.id) FROM asked_approval k
         WHERE k.subject = t.unique_id AND k.taken_at IS NULL) AS asked,
       (SELECT k.action || ' refused: ' || k.answer FROM asked_approval k
         WHERE k.subject = t.unique_id AND k.outcome = 'refused' ORDER BY k.id DESC LIMIT 1) AS last_refusal
  FROM transfer t
  LEFT JOIN slot s ON s.unique_id = t.unique_id
 WHERE CASE WHEN $1::uuid IS NULL THEN t.order_id = $2 ELSE t.batch_conversion_id = $1 END
 ORDER BY t.created_at, t.unique_id
;

-- shared/ops/acts/standing.sql:arrivals as gcpay_operator
SELECT tx_hash, log_index, usdt_units, block_number
  FROM arrival
 WHERE batch_conversion_id = $1
;

-- shared/ops/acts/standing.sql:accounts as gcpay_operator
SELECT address, chain_id, account_status, reason, next_nonce, updated_at
  FROM account
 ORDER BY address, chain_id
;

-- shared/ops/acts/standing.sql:lock_payment as gcpay_operator
SELECT id FROM payout_accumulation WHERE id = $1 FOR NO KEY UPDATE
;

-- shared/ops/acts/standing.sql:lock_batch as gcpay_operator
SELECT batch_conversion_id FROM batch_conversions WHERE batch_conversion_id = $1 FOR NO KEY UPDATE
;

-- shared/ops/acts/standing.sql:lock_request as gcpay_operator
SELECT unique_id FROM hostpay_request WHERE unique_id = $1 FOR NO KEY UPDATE
;

-- shared/ops/proof_report.sql:verdict as gcpay_operator
SELECT t.unique_id, t.transfer_status, t.account_address, t.chain_id, s.nonce, s.outcome, s.evidence, o.cn_api_id,
       o.amount_wei, o.payin_address
  FROM transfer t
  JOIN slot s ON s.unique_id = t.unique_id
  JOIN exchange_order o ON o.id = t.order_id
 WHERE t.unique_id = $1 OR o.cn_api_id = $1 OR t.batch_conversion_id::text = $1
 ORDER BY s.reserved_at DESC, s.nonce DESC
 LIMIT 1
;

-- shared/ops/proof_report.sql:state_without_nonce as gcpay_operator
SELECT t.unique_id, t.transfer_status, t.reason
  FROM transfer t
  JOIN exchange_order o ON o.id = t.order_id
 WHERE t.unique_id = $1 OR o.cn_api_id = $1 OR t.batch_conversion_id::text = $1
 ORDER BY t.created_at DESC
 LIMIT 1
;

-- shared/ops/proof_report.sql:bytes_of as gcpay_operator
SELECT raw
  FROM attempt
 WHERE account_address = $1 AND chain_id = $2 AND nonce = $3
 ORDER BY seq
;

-- shared/ops/recovery/rebuild.sql:lock_account as the owner
SELECT address, chain_id, account_status, reason, next_nonce
  FROM account
 WHERE lower(address) = lower($1) AND chain_id = $2
   FOR NO KEY UPDATE
;

-- shared/ops/recovery/rebuild.sql:account as the owner
SELECT address, chain_id, account_status, reason, next_nonce
  FROM account
 WHERE lower(address) = lower($1) AND chain_id = $2
;

-- shared/ops/recovery/rebuild.sql:accounts as the owner
SELECT address, chain_id, account_status, reason, next_nonce FROM account ORDER BY address, chain_id
;

-- shared/ops/recovery/rebuild.sql:lock_forming as the owner
SELECT pg_advisory_xact_lock(7236501) IS NULL AS locked
;

-- shared/ops/recovery/rebuild.sql:opened_with as the owner
SELECT (evidence ->> 'next_nonce')::bigint AS next_nonce, (evidence ->> 'finalized_number')::bigint AS finalized_number
  FROM history
 WHERE machine = 'account' AND subject = $1 AND event = 'account_opened'
 ORDER BY id
 LIMIT 1
;

-- shared/ops/recovery/rebuild.sql:slots as the owner
SELECT s.nonce, s.unique_id, s.outcome, s.evidence, t.transfer_status,
       (SELECT (h.evidence ->> 'finalized_number')::bigint
          FROM history h
         WHERE h.machine = 'transfer' AND h.subject = s.unique_id AND h.event IN ('slot_reserved', 'transfer_found_sent')
         ORDER BY h.id LIMIT 1) AS reserved_under
  FROM slot s
  JOIN transfer t ON t.unique_id = s.unique_id
 WHERE s.account_address = $1 AND s.chain_id = $2
 ORDER BY s.nonce
;

-- shared/ops/recovery/rebuild.sql:attempts as the owner
SELECT nonce, seq, tx_hash, first_send_started_at IS NOT NULL AS sent, archive_number, archive_hash
  FROM attempt
 WHERE account_address = $1 AND chain_id = $2
 ORDER BY nonce, seq
;

-- shared/ops/recovery/rebuild.sql:foreign_nonces as the owner
SELECT nonce, tx_hash, accepted_by FROM foreign_nonce WHERE account_address = $1 AND chain_id = $2
;

-- shared/ops/recovery/rebuild.sql:insert_foreign as the owner
INSERT INTO foreign_nonce (account_address, chain_id, nonce, tx_hash, evidence, found_by, found_at)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7)
ON CONFLICT ON CONSTRAINT foreign_nonce_is_named_once DO NOTHING
;

-- shared/ops/recovery/rebuild.sql:accept_foreign as the owner
UPDATE foreign_nonce
   SET accepted_by = $1, accepted_reason = $2, accepted_at = $3
 WHERE account_address = $4 AND chain_id = $5 AND nonce = $6 AND accepted_by IS NULL
;

-- shared/ops/recovery/rebuild.sql:raise_next_nonce as the owner
UPDATE account SET next_nonce = $1
 WHERE address = $2 AND chain_id = $3 AND next_nonce < $1
;

-- shared/ops/recovery/rebuild.sql:forget_places as the owner
UPDATE attempt SET archive_number = NULL, archive_hash = NULL
 WHERE account_address = $1 AND chain_id = $2 AND archive_number > $3
;

-- shared/ops/recovery/rebuild.sql:set_account as the owner
UPDATE account SET account_status = $1, reason = $2 WHERE address = $3 AND chain_id = $4
;

-- shared/ops/recovery/rebuild.sql:pause_batching as the owner
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES ('batching', $1, $2, $3, NULL)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, expires_at = NULL
 WHERE pause.expires_at IS NOT NULL
;

-- shared/ops/recovery/rebuild.sql:resume_batching as the owner
UPDATE pause SET expires_at = $1
 WHERE stage = 'batching' AND paused_by = ANY($2::text[]) AND expires_at IS NULL
;

-- shared/ops/recovery/rebuild.sql:lock_payments as the owner
SELECT id, payment_ref, pending_usd_amount_micros, net_wei, conversion_status, batch_conversion_id
  FROM payout_accumulation
 WHERE payment_ref = ANY($1::text[])
 ORDER BY id
   FOR UPDATE
;

-- shared/ops/recovery/rebuild.sql:lock_batch as the owner
SELECT batch_conversion_id, conversion_status, members_wei, dust_in_wei, ordered_wei, dust_out_wei
  FROM batch_conversions
 WHERE batch_conversion_id = $1
   FOR NO KEY UPDATE
;

-- shared/ops/recovery/rebuild.sql:insert_batch as the owner
INSERT INTO batch_conversions (batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros,
       threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, expected_usdt_units, feed_answer,
       feed_decimals, created_at, updated_at, due_at)
VALUES ($1, 'pending', $2, $3, $4, $5,
       $6, $7, $8, $9, $10, $11, $12,
       $13, $13, $14)
;

-- shared/ops/recovery/rebuild.sql:set_batch as the owner
UPDATE batch_conversions SET conversion_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE batch_conversion_id = $5
;

-- shared/ops/recovery/rebuild.sql:put_members as the owner
INSERT INTO batch_member (batch_conversion_id, payment_id, weight_usd_micros, wei, live)
SELECT $1, m.payment_id, m.weight_usd_micros, m.wei, true
  FROM unnest($2::bigint[], $3::bigint[], $4::numeric[]) AS m (payment_id, weight_usd_micros, wei)
ON CONFLICT ON CONSTRAINT batch_member_is_once_per_batch DO UPDATE SET live = true
;

-- shared/ops/recovery/rebuild.sql:claim_payments as the owner
UPDATE payout_accumulation
   SET conversion_status = 'swapping', batch_conversion_id = $1, updated_at = $2, due_at = $3
 WHERE id = ANY($4::bigint[]) AND conversion_status = 'pending'
;

-- shared/ops/recovery/rebuild.sql:members_of as the owner
SELECT m.payment_id, p.net_wei
  FROM batch_member m
  JOIN payout_accumulation p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = $1 AND m.live
 ORDER BY m.payment_id
   FOR UPDATE OF p
;

-- shared/ops/recovery/rebuild.sql:release_members as the owner
UPDATE batch_member SET live = false WHERE batch_conversion_id = $1 AND live
;

-- shared/ops/recovery/rebuild.sql:release_payments as the owner
UPDATE payout_accumulation
   SET conversion_status = 'pending', batch_conversion_id = NULL, updated_at = $1, due_at = $2
 WHERE batch_conversion_id = $3 AND conversion_status = 'swapping'
;

-- shared/ops/recovery/rebuild.sql:nonces_of_batch as the owner
SELECT s.nonce FROM slot s JOIN transfer t ON t.unique_id = s.unique_id
 WHERE t.batch_conversion_id = $1
;

-- shared/ops/recovery/rebuild.sql:lock_orders_of as the owner
SELECT id, attempt_no, order_status, cn_api_id, payin_address, amount_wei
  FROM exchange_order
 WHERE batch_conversion_id = $1
 ORDER BY attempt_no
   FOR NO KEY UPDATE
;

-- shared/ops/recovery/rebuild.sql:lock_order_named as the owner
SELECT id, attempt_no, order_status, cn_api_id, payin_address, amount_wei, batch_conversion_id
  FROM exchange_order
 WHERE cn_api_id = $1
   FOR NO KEY UPDATE
;

-- shared/ops/recovery/rebuild.sql:insert_order as the owner
INSERT INTO exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency, from_network, to_currency,
       to_network, amount_wei, payout_address, refund_address, cn_api_id, payin_address, expected_to_text, key_alias, sent_at,
       created_at, updated_at, due_at)
VALUES ($1, $2, $3, 'adopted', $4, $5, $6, $7,
       $8, $9, $10, $11, $12, $13, $14, $15, $15,
       $15, $16)
RETURNING id
;

-- shared/ops/recovery/rebuild.sql:answer_order as the owner
UPDATE exchange_order
   SET order_status = 'adopted', reason = NULL, cn_api_id = $1, payin_address = $2,
       expected_to_text = $3, updated_at = $4, due_at = $5
 WHERE id = $6
;

-- shared/ops/recovery/rebuild.sql:set_order as the owner
UPDATE exchange_order SET order_status = $1, reason = $2, updated_at = $3, due_at = NULL
 WHERE id = $4
;

-- shared/ops/recovery/rebuild.sql:lock_request as the owner
SELECT unique_id, order_id, request_status FROM hostpay_request WHERE unique_id = $1 FOR UPDATE
;

-- shared/ops/recovery/rebuild.sql:lock_requests_of as the owner
SELECT unique_id, order_id, request_status FROM hostpay_request WHERE order_id = $1 FOR UPDATE
;

-- shared/ops/recovery/rebuild.sql:insert_request as the owner
INSERT INTO hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address,
       request_status, polls, created_at, updated_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'paying', 0, $8,
       $8, $9)
;

-- shared/ops/recovery/rebuild.sql:bind_request as the owner
UPDATE hostpay_request SET order_id = $1, cn_api_id = $2, payin_address = $3, updated_at = $4
 WHERE unique_id = $5 AND order_id <> $1
;

-- shared/ops/recovery/rebuild.sql:set_request as the owner
UPDATE hostpay_request SET request_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE unique_id = $5
;

-- shared/ops/recovery/rebuild.sql:lock_transfer as the owner
SELECT t.unique_id, t.transfer_status, t.order_id, t.to_address, t.value_wei,
       EXISTS (SELECT 1 FROM slot s WHERE s.unique_id = t.unique_id) AS has_nonce
  FROM transfer t
 WHERE t.unique_id = $1
   FOR UPDATE OF t
;

-- shared/ops/recovery/rebuild.sql:lock_transfers_of as the owner
SELECT t.unique_id, t.transfer_status, t.order_id, t.superseded_by,
       EXISTS (SELECT 1 FROM slot s WHERE s.unique_id = t.unique_id) AS has_nonce
  FROM transfer t
 WHERE t.batch_conversion_id = $1
 ORDER BY t.created_at, t.unique_id
   FOR UPDATE OF t
;

-- shared/ops/recovery/rebuild.sql:insert_transfer as the owner
INSERT INTO transfer (unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id,
       to_address, value_wei, transfer_status, supersedes, created_at, updated_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
       $9, $10, 'live', $11, $12, $12, $13)
;

-- shared/ops/recovery/rebuild.sql:bind_transfer as the owner
UPDATE transfer SET request_hash = $1, cn_api_id = $2, order_id = $3, to_address = $4,
       updated_at = $5
 WHERE unique_id = $6
;

-- shared/ops/recovery/rebuild.sql:set_transfer as the owner
UPDATE transfer SET transfer_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE unique_id = $5
;

-- shared/ops/recovery/rebuild.sql:supersede_transfer as the owner
UPDATE transfer SET superseded_by = $1, updated_at = $2 WHERE unique_id = $3 AND superseded_by IS NULL
;

-- shared/ops/recovery/rebuild.sql:slot_at as the owner
SELECT unique_id FROM slot WHERE account_address = $1 AND chain_id = $2 AND nonce = $3
;

-- shared/ops/recovery/rebuild.sql:slot_of as the owner
SELECT nonce FROM slot WHERE unique_id = $1
;

-- shared/ops/recovery/rebuild.sql:insert_slot as the owner
INSERT INTO slot (account_address, chain_id, nonce, unique_id, gas_limit, hold_wei, reserved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
;

-- shared/ops/recovery/rebuild.sql:raise_hold as the owner
UPDATE slot SET hold_wei = greatest(hold_wei, $1) WHERE unique_id = $2 AND outcome IS NULL
;

-- shared/ops/recovery/rebuild.sql:next_seq as the owner
SELECT CASE WHEN EXISTS (SELECT 1 FROM attempt WHERE account_address = $1 AND chain_id = $2
                            AND nonce = $3 AND seq = $4)
            THEN (SELECT max(seq) + 1 FROM attempt WHERE account_address = $1 AND chain_id = $2
                     AND nonce = $3)
            ELSE $4::integer END AS seq
;

-- shared/ops/recovery/rebuild.sql:insert_attempt as the owner
INSERT INTO attempt (account_address, chain_id, nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, signed_at,
       first_send_started_at, last_send_started_at, first_block, archive_number, archive_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12,
       $13, $14)
ON CONFLICT ON CONSTRAINT attempt_hash_is_stored_once DO NOTHING
;

-- shared/ops/recovery/rebuild.sql:note_sent as the owner
UPDATE attempt
   SET first_send_started_at = coalesce(first_send_started_at, $1), last_send_started_at = coalesce(last_send_started_at, $2),
       first_block = coalesce(first_block, $3), archive_number = $4, archive_hash = $5
 WHERE tx_hash = $6
;

-- shared/ops/recovery/rebuild.sql:promise as the owner
INSERT INTO signed_nonce (account_address, chain_id, nonce, kind, to_address, value_wei, data)
VALUES ($1, $2, $3, $4, $5, $6, ''::bytea)
ON CONFLICT ON CONSTRAINT signed_nonce_is_promised_once DO NOTHING
;

-- shared/ops/recovery/rebuild.sql:request_cancel as the owner
INSERT INTO cancel_request (account_address, chain_id, nonce, unique_id, requested_by, reason, requested_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT cancel_request_is_made_once DO NOTHING
;

-- shared/ops/report/read.sql:payments as gcpay_operator
SELECT conversion_status, parked_reason, count(*) AS payments, sum(pending_usd_amount_micros) AS usd_micros,
       coalesce(sum(net_wei), 0) AS net_wei, coalesce(sum(fee_wei), 0) AS fee_wei,
       coalesce(sum(converted_usdt_amount_units), 0) AS share_units, min(created_at) AS oldest
  FROM payout_accumulation
 GROUP BY conversion_status, parked_reason
 ORDER BY conversion_status, parked_reason NULLS FIRST
;

-- shared/ops/report/read.sql:open_batches as gcpay_operator
SELECT staged.stage, CASE WHEN staged.stage = 'parked' THEN staged.reason END AS reason, sum(staged.payment_count) AS payments,
       sum(staged.total_pending_usd_micros) AS usd_micros, sum(staged.ordered_wei) AS ordered_wei,
       coalesce(sum(staged.usdt_units), 0) AS usdt_units, min(staged.created_at) AS oldest
  FROM (SELECT b.payment_count, b.total_pending_usd_micros, b.ordered_wei, b.reason, b.created_at, a.usdt_units,
               CASE WHEN a.usdt_units IS NOT NULL THEN 'arriving'
                    WHEN t.transfer_status = 'settled' AND o.order_status = 'held' THEN 'held by the exchange'
                    WHEN t.transfer_status = 'settled'
                         AND (o.order_status IN ('failed', 'expired') OR o.exchange_status = 'refunded') THEN 'refund awaited'
                    WHEN b.conversion_status = 'parked' THEN 'parked'
                    WHEN b.conversion_status = 'pending' THEN 'claimed'
                    WHEN t.transfer_status = 'settled' THEN 'at the exchange'
                    ELSE 'paying' END AS stage
          FROM batch_conversions b
          LEFT JOIN arrival a ON a.batch_conversion_id = b.batch_conversion_id
          LEFT JOIN transfer t ON t.batch_conversion_id = b.batch_conversion_id
               AND t.transfer_status <> 'void' AND t.superseded_by IS NULL
          LEFT JOIN exchange_order o ON o.id = t.order_id
         WHERE b.conversion_status NOT IN ('completed', 'released')) AS staged
 GROUP BY 1, 2
 ORDER BY 1, 2
;

-- shared/ops/report/read.sql:in_transit as gcpay_operator
SELECT t.context, count(*) AS transfers, sum(t.value_wei) AS wei, min(s.final_at) AS oldest
  FROM transfer t
  JOIN slot s ON s.unique_id = t.unique_id
  JOIN exchange_order o ON o.id = t.order_id
  LEFT JOIN batch_conversions b ON b.batch_conversion_id = t.batch_conversion_id
 WHERE t.transfer_status = 'settled' AND o.order_status <> 'refunded'
   AND CASE WHEN t.context = 'batch' THEN b.conversion_status <> 'completed' ELSE o.order_status <> 'finished' END
 GROUP BY t.context
 ORDER BY t.context
;

-- shared/ops/report/read.sql:dust as gcpay_operator
SELECT coalesce(sum(dust_out_wei - dust_in_wei), 0) AS wei
  FROM batch_conversions
 WHERE conversion_status <> 'released'
;

-- shared/ops/report/read.sql:gas as gcpay_operator
SELECT count(*) AS slots, coalesce(sum(gas_wei), 0) AS wei FROM slot WHERE gas_wei > 0
;

-- shared/ops/report/read.sql:debt as gcpay_operator
SELECT coalesce((SELECT sum(e.amount)
                   FROM posting p JOIN book_entry e ON e.posting_id = p.id AND e.account = 'clients_owed'
                  WHERE p.event = 'clients_paid'), 0) AS paid_units,
       CASE WHEN NOT EXISTS (SELECT 1 FROM posting WHERE event = 'clients_paid')
            THEN (SELECT min(at) FROM posting WHERE event = 'usdt_distributed') END AS oldest
;

-- shared/ops/report/read.sql:taken_in as gcpay_operator
SELECT count(*) AS payments, coalesce(sum(payment_amount_usd_micros), 0) AS paid_usd_micros,
       coalesce(sum(fee_usd_micros), 0) AS fee_usd_micros, coalesce(sum(pending_usd_amount_micros), 0) AS usd_micros
  FROM payout_accumulation
 WHERE created_at >= $1 AND created_at < $2
;

-- shared/ops/report/read.sql:moved as gcpay_operator
SELECT p.event, e.account, e.asset, count(*) AS entries, sum(e.amount) AS amount
  FROM posting p
  JOIN book_entry e ON e.posting_id = p.id
 WHERE p.at >= $1 AND p.at < $2
 GROUP BY p.event, e.account, e.asset
 ORDER BY p.event, e.account, e.asset
;

-- shared/ops/report/read.sql:swapped as gcpay_operator
SELECT b.batch_conversion_id::text AS batch_conversion_id, p.at, b.payment_count, b.total_pending_usd_micros, b.ordered_wei,
       b.feed_answer, b.feed_decimals, b.expected_usdt_units, b.usdt_arrived_units,
       (SELECT coalesce(sum(s.gas_wei), 0)
          FROM transfer t JOIN slot s ON s.unique_id = t.unique_id
         WHERE t.batch_conversion_id = b.batch_conversion_id) AS gas_wei
  FROM posting p
  JOIN batch_conversions b ON b.batch_conversion_id = p.subject::uuid
 WHERE p.event = 'usdt_distributed' AND p.at >= $1 AND p.at < $2
 ORDER BY p.at, b.batch_conversion_id
;

-- shared/ops/views/explain.sql:story as gcpay_operator
SELECT h.id, h.at, h.machine, h.subject, h.from_state, h.to_state, h.event, h.evidence
  FROM history h
  JOIN unnest($1::text[], $2::text[]) AS named (machine, subject)
    ON named.machine = h.machine AND named.subject = h.subject
 ORDER BY h.id
;

-- shared/ops/views/parked.sql:waiting as gcpay_operator
SELECT w.machine, w.subject, w.name, w.state, w.reason, w.worth_usd_micros, w.worth_wei, last.at AS since, last.evidence
  FROM (SELECT 'payment' AS machine, p.id::text AS subject, p.payment_ref AS name, p.conversion_status AS state,
               p.parked_reason AS reason, p.pending_usd_amount_micros AS worth_usd_micros, p.net_wei AS worth_wei
          FROM payout_accumulation p WHERE p.conversion_status = 'parked'
        UNION ALL
        SELECT 'batch', b.batch_conversion_id::text, b.batch_conversion_id::text, b.conversion_status, b.reason,
               b.total_pending_usd_micros, b.ordered_wei
          FROM batch_conversions b WHERE b.conversion_status = 'parked'
        UNION ALL
        SELECT 'order', o.id::text, o.cn_api_id, o.order_status, o.reason, NULL, o.amount_wei
          FROM exchange_order o WHERE o.order_status IN ('held', 'failed', 'expired')
        UNION ALL
        SELECT 'request', r.unique_id, r.unique_id, r.request_status, r.reason, NULL, r.amount_wei
          FROM hostpay_request r WHERE r.request_status = 'parked'
        UNION ALL
        SELECT 'transfer', t.unique_id, t.unique_id, t.transfer_status, t.reason, NULL, t.value_wei
          FROM transfer t
         WHERE t.transfer_status = 'held'
            OR (t.transfer_status IN ('reverted', 'cancelled', 'foreign') AND t.superseded_by IS NULL
                AND NOT EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id))
        UNION ALL
        SELECT 'account', a.chain_id || ':' || a.address, a.address, a.account_status, a.reason, NULL, NULL
          FROM account a WHERE a.account_status <> 'active') AS w
  LEFT JOIN LATERAL (SELECT h.at, h.evidence FROM history h
                      WHERE h.machine = w.machine AND h.subject = w.subject ORDER BY h.id DESC LIMIT 1) AS last ON true
 ORDER BY last.at NULLS FIRST, w.machine, w.subject
 LIMIT 200
;

-- shared/ops/views/status.sql:pending as gcpay_operator
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments
  FROM payout_accumulation
 WHERE conversion_status = 'pending'
;

-- shared/ops/views/status.sql:last_check as gcpay_operator
SELECT at, threshold_usd_micros, outcome, reason FROM threshold_check ORDER BY id DESC LIMIT 1
;

-- shared/ops/views/status.sql:open_batches as gcpay_operator
SELECT batch_conversion_id::text AS batch_conversion_id, conversion_status, reason, payment_count,
       total_pending_usd_micros, ordered_wei, created_at
  FROM batch_conversions
 WHERE conversion_status NOT IN ('completed', 'released')
 ORDER BY created_at
;

-- shared/ops/views/status.sql:overdue as gcpay_operator
SELECT late.machine, late.name, late.state, late.due_at
  FROM (SELECT 'payment' AS machine, payment_ref AS name, conversion_status AS state, due_at FROM payout_accumulation
         WHERE due_at <= $1
        UNION ALL
        SELECT 'batch', batch_conversion_id::text, conversion_status, due_at FROM batch_conversions WHERE due_at <= $1
        UNION ALL
        SELECT 'request', unique_id, request_status, due_at FROM hostpay_request WHERE due_at <= $1
        UNION ALL
        SELECT 'transfer', unique_id, transfer_status, due_at FROM transfer WHERE due_at <= $1) AS late
 ORDER BY late.due_at
 LIMIT 1000
;

-- shared/ops/views/status.sql:alerts_since as gcpay_operator
SELECT kind, subject, message, at FROM alert WHERE at > $1 ORDER BY id DESC LIMIT 1000
;

-- shared/ops/views/status.sql:unsent as gcpay_operator
SELECT count(*) AS messages, min(created_at) AS oldest FROM outbox WHERE sent_at IS NULL AND created_at <= $1
;

-- shared/ops/views/status.sql:open_asks as gcpay_operator
SELECT action, subject, asked_by, asked_at FROM asked_approval WHERE taken_at IS NULL ORDER BY id
;

-- shared/queue/outbox.sql:put as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
INSERT INTO outbox (id, service, edge, message_type, message_id, body, trace, created_at, schedule_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
;

-- shared/queue/outbox.sql:unsent_of as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
SELECT id, edge, message_type, message_id, body, trace, schedule_at
FROM outbox
WHERE id = ANY($1::uuid[]) AND sent_at IS NULL
ORDER BY created_at, id
;

-- shared/queue/outbox.sql:unsent_before as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
SELECT id, edge, message_type, message_id, body, trace, schedule_at
FROM outbox
WHERE service = $1 AND sent_at IS NULL AND created_at <= $2 AND NOT id = ANY($3::uuid[])
ORDER BY created_at, id
LIMIT $4
;

-- shared/queue/outbox.sql:mark_sent as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
UPDATE outbox SET sent_at = $1, task_name = $2
WHERE id = $3 AND sent_at IS NULL
;

-- shared/queue/outbox.sql:count_unsent as gcpay_intake, gcpay_batcher, gcpay_conductor, gcpay_executor
SELECT count(*) AS unsent FROM outbox
WHERE service = $1 AND sent_at IS NULL AND created_at <= $2
;

-- GCAccumulator/store.sql:intake_paused as gcpay_intake
SELECT reason FROM pause WHERE stage = 'intake' AND (expires_at IS NULL OR expires_at > $1)
;

-- GCAccumulator/store.sql:insert_payment as gcpay_intake
INSERT INTO payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency,
       client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm,
       fee_usd_micros, pending_usd_amount_micros, nowpayments_payment_id, nowpayments_pay_address, raw_outcome_text,
       outcome_currency, gross_wei, fee_wei, net_wei, conversion_status, parked_reason, created_at, updated_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6,
       $7, $8, $9, $10, $11, $12,
       $13, $14, $15, $16, $17,
       $18, $19, $20, $21, $22, $23, $24, $24, $25)
ON CONFLICT ON CONSTRAINT payment_counted_once DO NOTHING
RETURNING id
;

-- GCAccumulator/store.sql:payment_by_ref as gcpay_intake
SELECT id, request_hash, pending_usd_amount_micros, conversion_status, parked_reason
  FROM payout_accumulation
 WHERE payment_ref = $1
;

-- GCMicroBatchProcessor/deliveries.sql:lock_due_alerts as gcpay_batcher
SELECT id, delivery_attempts
  FROM alert
 WHERE delivered_at IS NULL AND (next_delivery_at IS NULL OR next_delivery_at <= $1)
 ORDER BY severity = 'critical' DESC, id
 LIMIT $2
   FOR UPDATE SKIP LOCKED
;

-- GCMicroBatchProcessor/deliveries.sql:hand_out as gcpay_batcher
UPDATE alert SET next_delivery_at = $1 WHERE id = ANY($2::bigint[]) AND delivered_at IS NULL
;

-- GCMicroBatchProcessor/deliveries.sql:alert_exists as gcpay_batcher
SELECT id FROM alert WHERE id = $1
;

-- GCMicroBatchProcessor/deliveries.sql:take_attempt as gcpay_batcher
UPDATE alert
   SET delivery_attempts = delivery_attempts + 1, next_delivery_at = $1
 WHERE id = $2 AND delivery_attempts = $3 AND delivered_at IS NULL
RETURNING id, kind, severity, service, subject, message, money_at_risk, concerned_rows, runbook, next_step, dedupe_key, at
;

-- GCMicroBatchProcessor/deliveries.sql:mark_delivered as gcpay_batcher
UPDATE alert SET delivered_at = $1, next_delivery_at = NULL WHERE id = $2 AND delivered_at IS NULL
;

-- GCMicroBatchProcessor/deliveries.sql:count_undelivered as gcpay_batcher
SELECT count(*) AS undelivered FROM alert WHERE delivered_at IS NULL AND at <= $1
;

-- GCMicroBatchProcessor/overdue.sql:batches_in_state_since as gcpay_batcher
SELECT b.batch_conversion_id, b.conversion_status, b.reason, b.ordered_wei, b.total_pending_usd_micros, b.updated_at AS since
  FROM batch_conversions AS b
  JOIN unnest($1::text[], $2::timestamptz[]) AS late (state, before) ON late.state = b.conversion_status
 WHERE b.updated_at <= late.before
 ORDER BY b.updated_at
 LIMIT $3
;

-- GCMicroBatchProcessor/overdue.sql:orders_in_state_since as gcpay_batcher
SELECT o.id, o.cn_api_id, o.batch_conversion_id, o.order_status, o.reason, o.amount_wei, entered.at AS since
  FROM exchange_order AS o
  JOIN unnest($1::text[], $2::timestamptz[]) AS late (state, before) ON late.state = o.order_status
 CROSS JOIN LATERAL (SELECT h.at FROM history AS h
                      WHERE h.machine = 'order' AND h.subject = o.id::text ORDER BY h.id DESC LIMIT 1) AS entered
 WHERE entered.at <= late.before
 ORDER BY entered.at
 LIMIT $3
;

-- GCMicroBatchProcessor/store.sql:paused as gcpay_batcher
SELECT reason, paused_by, expires_at
  FROM pause
 WHERE stage = $1 AND (expires_at IS NULL OR expires_at > $2)
;

-- GCMicroBatchProcessor/store.sql:pause_stage as gcpay_batcher
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES ($1, $2, $3, $4, NULL)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, expires_at = NULL
 WHERE pause.expires_at IS NOT NULL
;

-- GCMicroBatchProcessor/store.sql:pending_total as gcpay_batcher
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments
  FROM payout_accumulation
 WHERE conversion_status = 'pending'
;

-- GCMicroBatchProcessor/store.sql:overdue_payments as gcpay_batcher
SELECT coalesce(sum(pending_usd_amount_micros), 0) AS total_usd_micros, count(*) AS payments, min(id) AS oldest
  FROM payout_accumulation
 WHERE conversion_status = 'pending' AND due_at <= $1
;

-- GCMicroBatchProcessor/store.sql:pending_payments as gcpay_batcher
SELECT id, pending_usd_amount_micros, net_wei
  FROM payout_accumulation
 WHERE conversion_status = 'pending'
 ORDER BY id
 LIMIT $1
;

-- GCMicroBatchProcessor/store.sql:lock_pending_without_wei as gcpay_batcher
SELECT id, pending_usd_amount_micros, net_wei
  FROM payout_accumulation
 WHERE conversion_status = 'pending' AND net_wei IS NULL
 ORDER BY id
 LIMIT $1
   FOR UPDATE SKIP LOCKED
;

-- GCMicroBatchProcessor/store.sql:lock_forming as gcpay_batcher
SELECT pg_advisory_xact_lock(7236501) IS NULL AS locked
;

-- GCMicroBatchProcessor/store.sql:lock_pending_by_id as gcpay_batcher
SELECT id, pending_usd_amount_micros, net_wei
  FROM payout_accumulation
 WHERE id = ANY($1) AND conversion_status = 'pending'
 ORDER BY id
   FOR UPDATE
;

-- GCMicroBatchProcessor/store.sql:carried_dust as gcpay_batcher
SELECT coalesce(-sum(amount), 0) AS dust_wei
  FROM book_entry
 WHERE account = 'dust' AND asset = 'ETH'
;

-- GCMicroBatchProcessor/store.sql:insert_batch as gcpay_batcher
INSERT INTO batch_conversions (batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros,
       threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei, expected_usdt_units, feed_answer,
       feed_decimals, created_at, updated_at, due_at)
VALUES ($1, $2, $3, $4, $5,
       $6, $7, $8, $9, $10, $11, $12,
       $13, $14, $14, $15)
;

-- GCMicroBatchProcessor/store.sql:insert_members as gcpay_batcher
INSERT INTO batch_member (batch_conversion_id, payment_id, weight_usd_micros, wei, live)
SELECT $1, m.payment_id, m.weight_usd_micros, m.wei, true
  FROM unnest($2::bigint[], $3::bigint[], $4::numeric[]) AS m (payment_id, weight_usd_micros, wei)
;

-- GCMicroBatchProcessor/store.sql:claim_payments as gcpay_batcher
UPDATE payout_accumulation
   SET conversion_status = 'swapping', batch_conversion_id = $1, updated_at = $2, due_at = $3
 WHERE id = ANY($4) AND conversion_status = 'pending'
;

-- GCMicroBatchProcessor/store.sql:park_payments as gcpay_batcher
UPDATE payout_accumulation
   SET conversion_status = 'parked', parked_reason = $1, updated_at = $2, due_at = $3
 WHERE id = ANY($4) AND conversion_status = 'pending'
;

-- GCMicroBatchProcessor/store.sql:insert_order as gcpay_batcher
INSERT INTO exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency, from_network, to_currency,
       to_network, amount_wei, payout_address, refund_address, expected_to_text, key_alias, sent_at, created_at, updated_at, due_at)
VALUES ('batch', $1, $2, $3, 'eth', 'eth', 'usdt',
       'eth', $4, $5, $6, $7, $8, $9, $9, $9, $10)
RETURNING id
;

-- GCMicroBatchProcessor/store.sql:lock_batch as gcpay_batcher
SELECT batch_conversion_id, conversion_status, funding, payment_count, total_pending_usd_micros, members_wei, dust_in_wei,
       ordered_wei, dust_out_wei, expected_usdt_units, usdt_arrived_units, eth_tx_hash, usdt_tx_hash, reason, due_at,
       updated_at, attempts_forgiven
  FROM batch_conversions
 WHERE batch_conversion_id = $1
   FOR NO KEY UPDATE
;

-- GCMicroBatchProcessor/store.sql:lock_order as gcpay_batcher
SELECT id, batch_conversion_id, attempt_no, order_status, cn_api_id, payin_address, amount_wei
  FROM exchange_order
 WHERE id = $1
   FOR NO KEY UPDATE
;

-- GCMicroBatchProcessor/store.sql:lock_orders as gcpay_batcher
SELECT id, batch_conversion_id, attempt_no, order_status, cn_api_id, payin_address, amount_wei
  FROM exchange_order
 WHERE batch_conversion_id = $1
 ORDER BY attempt_no
   FOR NO KEY UPDATE
;

-- GCMicroBatchProcessor/store.sql:set_order as gcpay_batcher
UPDATE exchange_order
   SET order_status = $1, reason = coalesce($2, reason), cn_api_id = coalesce($3, cn_api_id),
       payin_address = coalesce($4, payin_address), expected_to_text = coalesce($5, expected_to_text),
       updated_at = $6, due_at = $7
 WHERE id = $8
;

-- GCMicroBatchProcessor/store.sql:set_batch as gcpay_batcher
UPDATE batch_conversions
   SET conversion_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE batch_conversion_id = $5
;

-- GCMicroBatchProcessor/store.sql:postpone_batch as gcpay_batcher
UPDATE batch_conversions SET due_at = $1 WHERE batch_conversion_id = $2
;

-- GCMicroBatchProcessor/store.sql:complete_batch as gcpay_batcher
UPDATE batch_conversions
   SET conversion_status = 'completed', reason = NULL, usdt_arrived_units = $1, eth_tx_hash = $2,
       usdt_tx_hash = $3, updated_at = $4, due_at = NULL
 WHERE batch_conversion_id = $5
;

-- GCMicroBatchProcessor/store.sql:arrival_of as gcpay_batcher
SELECT tx_hash, log_index, cn_api_id, usdt_units
  FROM arrival
 WHERE batch_conversion_id = $1
;

-- GCMicroBatchProcessor/store.sql:request_of as gcpay_batcher
SELECT unique_id, cn_api_id, request_status, eth_tx_hash, reason
  FROM hostpay_request
 WHERE batch_conversion_id = $1
 ORDER BY created_at DESC
 LIMIT 1
;

-- GCMicroBatchProcessor/store.sql:transfer_of as gcpay_batcher
SELECT t.transfer_status, t.reason,
       EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id) AS repayable
  FROM transfer t
 WHERE t.order_id = $1
;

-- GCMicroBatchProcessor/store.sql:lock_members as gcpay_batcher
SELECT m.payment_id, m.weight_usd_micros, m.wei, p.pending_usd_amount_micros, p.net_wei, p.conversion_status
  FROM batch_member AS m
  JOIN payout_accumulation AS p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = $1 AND m.live
 ORDER BY m.payment_id
   FOR UPDATE OF p
;

-- GCMicroBatchProcessor/store.sql:credit_members as gcpay_batcher
UPDATE batch_member AS m
   SET share_usdt_units = s.share
  FROM unnest($1::bigint[], $2::bigint[]) AS s (payment_id, share)
 WHERE m.batch_conversion_id = $3 AND m.payment_id = s.payment_id AND m.live
;

-- GCMicroBatchProcessor/store.sql:credit_payments as gcpay_batcher
UPDATE payout_accumulation AS p
   SET conversion_status = 'completed', converted_usdt_amount_units = s.share, conversion_tx_hash = $1,
       usdt_tx_hash = $2, updated_at = $3, due_at = NULL
  FROM unnest($4::bigint[], $5::bigint[]) AS s (payment_id, share)
 WHERE p.id = s.payment_id AND p.batch_conversion_id = $6 AND p.conversion_status = 'swapping'
;

-- GCMicroBatchProcessor/store.sql:release_members as gcpay_batcher
UPDATE batch_member SET live = false WHERE batch_conversion_id = $1 AND live
;

-- GCMicroBatchProcessor/store.sql:release_payments as gcpay_batcher
UPDATE payout_accumulation
   SET conversion_status = 'pending', batch_conversion_id = NULL, updated_at = $1, due_at = $2
 WHERE batch_conversion_id = $3 AND conversion_status = 'swapping'
;

-- GCMicroBatchProcessor/store.sql:record_threshold_check as gcpay_batcher
INSERT INTO threshold_check (at, total_pending_usd_micros, threshold_usd_micros, outcome, reason, batch_conversion_id)
VALUES ($1, $2, $3, $4, $5, $6)
;

-- GCMicroBatchProcessor/store.sql:batches_past_due as gcpay_batcher
SELECT batch_conversion_id, conversion_status
  FROM batch_conversions
 WHERE due_at <= $1
 ORDER BY due_at
 LIMIT $2
;

-- GCHostPay1/store.sql:order_of_batch as gcpay_conductor
SELECT o.id, o.context, o.order_status, o.cn_api_id, o.payin_address, o.amount_wei, o.from_currency, o.from_network,
       o.to_currency, o.to_network, o.payout_address, o.batch_conversion_id
  FROM exchange_order AS o
 WHERE o.batch_conversion_id = $1 AND o.cn_api_id = $2
;

-- GCHostPay1/store.sql:order_by_cn_api_id as gcpay_conductor
SELECT id, context, order_status, cn_api_id, payin_address, amount_wei, from_currency, from_network, to_currency,
       to_network, payout_address, batch_conversion_id
  FROM exchange_order
 WHERE cn_api_id = $1
;

-- GCHostPay1/store.sql:lock_order as gcpay_conductor
SELECT id, context, order_status, cn_api_id, payin_address, amount_wei, from_currency, from_network, to_currency,
       to_network, payout_address, batch_conversion_id
  FROM exchange_order
 WHERE id = $1
   FOR UPDATE
;

-- GCHostPay1/store.sql:insert_instant_order as gcpay_conductor
INSERT INTO exchange_order (context, attempt_no, order_status, from_currency, from_network, to_currency, to_network, amount_wei,
       payout_address, refund_address, cn_api_id, payin_address, expected_to_text, exchange_status, key_alias,
       created_at, updated_at, due_at)
VALUES ('instant', 1, $1, $2, $3, $4, $5, $6,
       $7, $8, $9, $10, $11, $12, $13,
       $14, $14, $15)
ON CONFLICT ON CONSTRAINT order_id_is_used_once DO NOTHING
RETURNING id
;

-- GCHostPay1/store.sql:set_order as gcpay_conductor
UPDATE exchange_order
   SET order_status = $1, reason = coalesce($2, reason), updated_at = $3, due_at = $4
 WHERE id = $5
;

-- GCHostPay1/store.sql:note_hints as gcpay_conductor
UPDATE exchange_order
   SET exchange_status = $1, payin_hash = coalesce($2, payin_hash),
       payout_hash = coalesce($3, payout_hash), refund_hash = coalesce($4, refund_hash), updated_at = $5
 WHERE id = $6
;

-- GCHostPay1/store.sql:insert_request as gcpay_conductor
INSERT INTO hostpay_request (unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address,
       request_status, polls, created_at, updated_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7,
       $8, 0, $9, $9, $10)
ON CONFLICT DO NOTHING
RETURNING unique_id
;

-- GCHostPay1/store.sql:request as gcpay_conductor
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE unique_id = $1
;

-- GCHostPay1/store.sql:lock_request as gcpay_conductor
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE unique_id = $1
   FOR UPDATE
;

-- GCHostPay1/store.sql:lock_request_of_order as gcpay_conductor
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE batch_conversion_id = $1 AND cn_api_id = $2
   FOR UPDATE
;

-- GCHostPay1/store.sql:requests_of_batch as gcpay_conductor
SELECT count(*) AS requests, min(cn_api_id) FILTER (WHERE request_status <> 'abandoned') AS not_abandoned
  FROM hostpay_request
 WHERE batch_conversion_id = $1
;

-- GCHostPay1/store.sql:lock_request_unless_busy as gcpay_conductor
SELECT unique_id, context, batch_conversion_id, order_id, cn_api_id, amount_wei, payin_address, request_status, reason,
       eth_tx_hash, polls, watching_since
  FROM hostpay_request
 WHERE unique_id = $1
   FOR UPDATE SKIP LOCKED
;

-- GCHostPay1/store.sql:set_request as gcpay_conductor
UPDATE hostpay_request
   SET request_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE unique_id = $5
;

-- GCHostPay1/store.sql:set_reason as gcpay_conductor
UPDATE hostpay_request SET reason = $1, updated_at = $2 WHERE unique_id = $3
;

-- GCHostPay1/store.sql:start_watching as gcpay_conductor
UPDATE hostpay_request
   SET request_status = $1, reason = NULL, eth_tx_hash = $2, watching_since = $3,
       updated_at = $3, due_at = $4
 WHERE unique_id = $5
;

-- GCHostPay1/store.sql:count_poll as gcpay_conductor
UPDATE hostpay_request SET polls = $1, updated_at = $2, due_at = $3 WHERE unique_id = $4
;

-- GCHostPay1/store.sql:postpone_request as gcpay_conductor
UPDATE hostpay_request SET due_at = $1 WHERE unique_id = $2
;

-- GCHostPay1/store.sql:requests_past_due as gcpay_conductor
SELECT unique_id, request_status
  FROM hostpay_request
 WHERE due_at <= $1
 ORDER BY due_at
 LIMIT $2
;

-- GCHostPay1/store.sql:requests_in_state_since as gcpay_conductor
SELECT r.unique_id, r.request_status, r.reason, r.amount_wei, entered.at AS since
  FROM hostpay_request AS r
  JOIN unnest($1::text[], $2::timestamptz[]) AS late (state, before) ON late.state = r.request_status
 CROSS JOIN LATERAL (SELECT h.at FROM history AS h
                      WHERE h.machine = 'request' AND h.subject = r.unique_id ORDER BY h.id DESC LIMIT 1) AS entered
 WHERE r.due_at IS NOT NULL AND entered.at <= late.before
 ORDER BY entered.at
 LIMIT $3
;

-- GCHostPay1/store.sql:transfer_of as gcpay_conductor
SELECT t.transfer_status, t.value_wei, t.to_address, t.cn_api_id, t.reason, s.evidence ->> 'tx_hash' AS tx_hash,
       EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id) AS repayable
  FROM transfer AS t
  LEFT JOIN slot AS s ON s.unique_id = t.unique_id
 WHERE t.unique_id = $1
;

-- GCHostPay1/store.sql:paid_in_block as gcpay_conductor
SELECT (evidence ->> 'block_number')::bigint AS block_number
  FROM slot
 WHERE unique_id = $1
;

-- GCHostPay1/store.sql:insert_arrival as gcpay_conductor
INSERT INTO arrival (tx_hash, log_index, batch_conversion_id, cn_api_id, token_contract, from_address, to_address,
       usdt_units, block_number, block_hash, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7,
       $8, $9, $10, $11)
ON CONFLICT DO NOTHING
RETURNING tx_hash
;

-- GCHostPay1/store.sql:logs_claimed as gcpay_conductor
SELECT log_index FROM arrival WHERE tx_hash = $1
;

-- GCHostPay3/copies.sql:slot_of as gcpay_executor
SELECT nonce, gas_limit, hold_wei, outcome, evidence FROM slot WHERE unique_id = $1
;

-- GCHostPay3/copies.sql:newest_place as gcpay_executor
SELECT archive_number, archive_hash, tx_hash
  FROM attempt
 WHERE account_address = $1 AND chain_id = $2 AND archive_number IS NOT NULL
 ORDER BY archive_number DESC
 LIMIT 1
;

-- GCHostPay3/copies.sql:without_copy as gcpay_executor
SELECT tx_hash
  FROM attempt
 WHERE account_address = $1 AND chain_id = $2 AND nonce = $3 AND archive_number IS NULL
;

-- GCHostPay3/copies.sql:unknown_of as gcpay_executor
SELECT told.tx_hash
  FROM unnest($1::text[]) AS told (tx_hash)
 WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE a.tx_hash = told.tx_hash)
;

-- GCHostPay3/copies.sql:note_place as gcpay_executor
UPDATE attempt
   SET archive_number = $1, archive_hash = $2
 WHERE tx_hash = $3 AND archive_number IS NULL
;

-- GCHostPay3/copies.sql:order_paid_by as gcpay_executor
SELECT context, batch_conversion_id, attempt_no, from_currency, from_network, to_currency, to_network, amount_wei,
       payout_address, refund_address, cn_api_id, payin_address, expected_to_text, key_alias
  FROM exchange_order
 WHERE id = $1
;

-- GCHostPay3/copies.sql:batch_paid_for as gcpay_executor
SELECT batch_conversion_id, funding, total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei,
       ordered_wei, dust_out_wei, expected_usdt_units, feed_answer, feed_decimals
  FROM batch_conversions
 WHERE batch_conversion_id = $1
;

-- GCHostPay3/copies.sql:members_paid_for as gcpay_executor
SELECT p.payment_ref, m.weight_usd_micros, m.wei
  FROM batch_member m
  JOIN payout_accumulation p ON p.id = m.payment_id
 WHERE m.batch_conversion_id = $1 AND m.live
 ORDER BY m.payment_id
;

-- GCHostPay3/copies.sql:pause_batching as gcpay_executor
INSERT INTO pause (stage, reason, paused_by, paused_at, expires_at)
VALUES ('batching', $1, $2, $3, NULL)
ON CONFLICT ON CONSTRAINT pause_is_one_per_stage DO UPDATE
   SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at, expires_at = NULL
 WHERE pause.expires_at IS NOT NULL
;

-- GCHostPay3/store.sql:request_with_order as gcpay_executor
SELECT r.unique_id, r.context, r.batch_conversion_id, r.order_id, r.cn_api_id, r.amount_wei, r.payin_address,
       r.request_status, o.context AS order_context, o.batch_conversion_id AS order_batch_conversion_id, o.order_status,
       o.from_currency, o.from_network, o.amount_wei AS order_amount_wei, o.payin_address AS order_payin_address,
       o.cn_api_id AS order_cn_api_id
  FROM hostpay_request r
  JOIN exchange_order o ON o.id = r.order_id
 WHERE r.unique_id = $1
;

-- GCHostPay3/store.sql:order_now as gcpay_executor
SELECT o.order_status, coalesce(paying.at, r.updated_at) AS checked_at
  FROM exchange_order o
  JOIN hostpay_request r ON r.order_id = o.id
  LEFT JOIN LATERAL (SELECT h.at FROM history h
                      WHERE h.machine = 'request' AND h.subject = r.unique_id AND h.event = 'request_paying'
                      ORDER BY h.id DESC LIMIT 1) AS paying ON true
 WHERE o.id = $1
;

-- GCHostPay3/store.sql:sending_pause as gcpay_executor
SELECT reason, paused_by, expires_at
  FROM pause
 WHERE stage = 'sending' AND (expires_at IS NULL OR expires_at > $1)
;

-- GCHostPay3/store.sql:account as gcpay_executor
SELECT address, chain_id, account_status, reason, next_nonce, drive_lease_until, updated_at
  FROM account
 WHERE address = $1 AND chain_id = $2
;

-- GCHostPay3/store.sql:lock_account as gcpay_executor
SELECT address, chain_id, account_status, reason, next_nonce, drive_lease_until, updated_at
  FROM account
 WHERE address = $1 AND chain_id = $2
   FOR NO KEY UPDATE
;

-- GCHostPay3/store.sql:open_account as gcpay_executor
INSERT INTO account (address, chain_id, account_status, next_nonce, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT ON CONSTRAINT account_is_named_once DO NOTHING
;

-- GCHostPay3/store.sql:set_account_status as gcpay_executor
UPDATE account
   SET account_status = $1, reason = $2
 WHERE address = $3 AND chain_id = $4
;

-- GCHostPay3/store.sql:take_lease as gcpay_executor
UPDATE account
   SET drive_lease_by = $1, drive_lease_until = $2
 WHERE address = $3 AND chain_id = $4 AND (drive_lease_until IS NULL OR drive_lease_until <= $5)
;

-- GCHostPay3/store.sql:give_lease_back as gcpay_executor
UPDATE account
   SET drive_lease_by = NULL, drive_lease_until = NULL, updated_at = greatest(updated_at, $1)
 WHERE address = $2 AND chain_id = $3 AND drive_lease_by = $4
;

-- GCHostPay3/store.sql:insert_transfer as gcpay_executor
INSERT INTO transfer (unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id,
       to_address, value_wei, transfer_status, supersedes, created_at, updated_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
       $9, $10, $11, $12, $13, $13, $14)
ON CONFLICT DO NOTHING
;

-- GCHostPay3/store.sql:lock_repayable as gcpay_executor
SELECT t.unique_id
  FROM transfer t
 WHERE t.batch_conversion_id = $1 AND t.superseded_by IS NULL
   AND t.transfer_status IN ('reverted', 'cancelled', 'foreign')
   AND EXISTS (SELECT 1 FROM approval a WHERE a.action = 'repay' AND a.subject = t.unique_id)
   FOR UPDATE
;

-- GCHostPay3/store.sql:mark_superseded as gcpay_executor
UPDATE transfer
   SET superseded_by = $1, updated_at = $2
 WHERE unique_id = $3 AND superseded_by IS NULL
;

-- GCHostPay3/store.sql:is_superseded as gcpay_executor
SELECT superseded_by IS NOT NULL AS superseded FROM transfer WHERE unique_id = $1
;

-- GCHostPay3/store.sql:lock_transfer as gcpay_executor
SELECT unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id, to_address,
       value_wei, transfer_status, reason, updated_at
  FROM transfer
 WHERE unique_id = $1
   FOR UPDATE
;

-- GCHostPay3/store.sql:transfers_in as gcpay_executor
SELECT unique_id, request_hash, context, batch_conversion_id, cn_api_id, order_id, account_address, chain_id, to_address,
       value_wei, transfer_status, reason, updated_at
  FROM transfer
 WHERE account_address = $1 AND chain_id = $2 AND transfer_status = $3
 ORDER BY created_at, unique_id
 LIMIT 100
;

-- GCHostPay3/store.sql:move_transfer as gcpay_executor
UPDATE transfer
   SET transfer_status = $1, reason = $2, updated_at = $3, due_at = $4
 WHERE unique_id = $5 AND transfer_status = $6
;

-- GCHostPay3/store.sql:count_open as gcpay_executor
SELECT count(*) FILTER (WHERE transfer_status IN ('reserved', 'signed', 'live', 'included')) AS with_nonce,
       count(*) FILTER (WHERE transfer_status IN ('created', 'approved')) AS without_nonce
  FROM transfer
 WHERE account_address = $1 AND chain_id = $2
   AND transfer_status IN ('created', 'approved', 'reserved', 'signed', 'live', 'included')
;

-- GCHostPay3/store.sql:spent_since as gcpay_executor
SELECT coalesce(sum(t.value_wei), 0) AS spent_wei
  FROM slot s
  JOIN transfer t ON t.unique_id = s.unique_id
 WHERE s.account_address = $1 AND s.chain_id = $2 AND s.reserved_at > $3
   AND (s.outcome IS NULL OR s.outcome = 'settled')
;

-- GCHostPay3/store.sql:begun_since as gcpay_executor
SELECT count(*) AS begun
  FROM slot
 WHERE account_address = $1 AND chain_id = $2 AND reserved_at > $3
;

-- GCHostPay3/store.sql:holds as gcpay_executor
SELECT coalesce(sum(hold_wei) FILTER (WHERE outcome IS NULL), 0) AS held_wei,
       count(*) FILTER (WHERE outcome IS NULL) AS open_slots,
       coalesce(max((evidence ->> 'block_number')::bigint), 0) AS final_block
  FROM slot
 WHERE account_address = $1 AND chain_id = $2
;

-- GCHostPay3/store.sql:earmarked as gcpay_executor
SELECT (SELECT coalesce(sum(net_wei), 0) FROM payout_accumulation WHERE conversion_status IN ('pending', 'parked'))
     + (SELECT coalesce(sum(b.ordered_wei), 0)
          FROM batch_conversions b
         WHERE b.conversion_status IN ('pending', 'swapping', 'parked')
           AND NOT EXISTS (SELECT 1
                             FROM transfer t
                             JOIN slot s ON s.unique_id = t.unique_id
                             JOIN exchange_order o ON o.id = t.order_id
                            WHERE t.batch_conversion_id = b.batch_conversion_id
                              AND (s.outcome IS NULL OR s.outcome = 'settled')
                              AND o.order_status <> 'refunded')) AS earmarked_wei
;

-- GCHostPay3/store.sql:take_nonce as gcpay_executor
UPDATE account
   SET next_nonce = next_nonce + 1
 WHERE address = $1 AND chain_id = $2 AND next_nonce = $3
;

-- GCHostPay3/store.sql:insert_slot as gcpay_executor
INSERT INTO slot (account_address, chain_id, nonce, unique_id, gas_limit, hold_wei, reserved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
;

-- GCHostPay3/store.sql:open_slots as gcpay_executor
SELECT s.nonce, s.gas_limit, s.hold_wei, s.outcome, s.evidence, t.unique_id, t.request_hash, t.context,
       t.batch_conversion_id, t.cn_api_id, t.order_id, t.account_address, t.chain_id, t.to_address, t.value_wei,
       t.transfer_status, t.reason, t.updated_at
  FROM slot s
  JOIN transfer t ON t.unique_id = s.unique_id
 WHERE s.account_address = $1 AND s.chain_id = $2 AND s.outcome IS NULL
 ORDER BY s.nonce
;

-- GCHostPay3/store.sql:lock_slot as gcpay_executor
SELECT nonce, gas_limit, hold_wei, outcome, evidence
  FROM slot
 WHERE unique_id = $1
   FOR UPDATE
;

-- GCHostPay3/store.sql:reserved_under as gcpay_executor
SELECT (evidence ->> 'finalized_number')::bigint AS finalized_number
  FROM history
 WHERE machine = 'transfer' AND subject = $1 AND event IN ('slot_reserved', 'transfer_found_sent')
 ORDER BY id
 LIMIT 1
;

-- GCHostPay3/store.sql:raise_hold as gcpay_executor
UPDATE slot
   SET hold_wei = greatest(hold_wei, $1)
 WHERE unique_id = $2 AND outcome IS NULL
;

-- GCHostPay3/store.sql:close_slot as gcpay_executor
UPDATE slot
   SET outcome = $1, evidence = $2::jsonb, gas_wei = $3, final_at = $4
 WHERE unique_id = $5 AND outcome IS NULL
;

-- GCHostPay3/store.sql:insert_attempt as gcpay_executor
INSERT INTO attempt (account_address, chain_id, nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, signed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
;

-- GCHostPay3/store.sql:attempts as gcpay_executor
SELECT nonce, seq, kind, raw, tx_hash, tip_wei, cap_wei, first_send_started_at, last_send_started_at, first_block,
       included_block_number, included_block_hash
  FROM attempt
 WHERE account_address = $1 AND chain_id = $2 AND nonce = $3
 ORDER BY seq
;

-- GCHostPay3/store.sql:start_send as gcpay_executor
UPDATE attempt
   SET first_send_started_at = coalesce(first_send_started_at, $1), last_send_started_at = $1,
       first_block = coalesce(first_block, $2)
 WHERE tx_hash = $3
;

-- GCHostPay3/store.sql:mark_included as gcpay_executor
UPDATE attempt
   SET included_block_number = $1, included_block_hash = $2
 WHERE tx_hash = $3
;

-- GCHostPay3/store.sql:log_answer as gcpay_executor
INSERT INTO send_log (tx_hash, provider, answer_class, answer, at)
VALUES ($1, $2, $3, $4, $5)
;

-- GCHostPay3/store.sql:last_answers as gcpay_executor
SELECT answer_class
  FROM send_log
 WHERE tx_hash = $1 AND at = (SELECT max(at) FROM send_log WHERE tx_hash = $1)
;

-- GCHostPay3/store.sql:promises as gcpay_executor
SELECT kind, to_address, value_wei, data
  FROM signed_nonce
 WHERE account_address = $1 AND chain_id = $2 AND nonce = $3
;

-- GCHostPay3/store.sql:promise as gcpay_executor
INSERT INTO signed_nonce (account_address, chain_id, nonce, kind, to_address, value_wei, data)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT signed_nonce_is_promised_once DO NOTHING
;

-- GCHostPay3/store.sql:cancel_request as gcpay_executor
SELECT requested_by, reason
  FROM cancel_request
 WHERE account_address = $1 AND chain_id = $2 AND nonce = $3
;

-- GCHostPay3/store.sql:request_cancel as gcpay_executor
INSERT INTO cancel_request (account_address, chain_id, nonce, unique_id, requested_by, reason, requested_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT cancel_request_is_made_once DO NOTHING
;

-- GCHostPay3/store.sql:insert_approval as gcpay_executor
INSERT INTO approval (action, subject, approved_by, reason, at)
VALUES ($1, $2, $3, $4, $5)
;

-- GCHostPay3/store.sql:approval_of as gcpay_executor
SELECT approved_by, reason, at
  FROM approval
 WHERE action = $1 AND subject = $2
 ORDER BY id DESC
 LIMIT 1
;

-- GCHostPay3/store.sql:open_asks as gcpay_executor
SELECT id, action, subject, seen_reason, asked_by, reason
  FROM asked_approval
 WHERE taken_at IS NULL
 ORDER BY id
;

-- GCHostPay3/store.sql:answer_ask as gcpay_executor
UPDATE asked_approval
   SET taken_at = $1, outcome = $2, answer = $3
 WHERE id = $4 AND taken_at IS NULL
;

-- GCHostPay3/store.sql:accounts_to_drive as gcpay_executor
SELECT a.address, a.chain_id
  FROM account a
 WHERE EXISTS (
       SELECT 1 FROM transfer t
        WHERE t.account_address = a.address AND t.chain_id = a.chain_id
          AND (t.transfer_status IN ('reserved', 'signed', 'live', 'included')
               OR (t.transfer_status IN ('created', 'approved') AND a.account_status <> 'frozen'))
          AND (a.updated_at <= $1 OR t.due_at <= $2))
 ORDER BY a.address, a.chain_id
;

-- GCHostPay3/store.sql:overdue_transfers as gcpay_executor
SELECT unique_id, transfer_status, reason, value_wei, due_at
  FROM transfer
 WHERE due_at <= $1
   AND transfer_status IN ('created', 'approved', 'held', 'reserved', 'signed', 'live', 'included')
 ORDER BY due_at
 LIMIT 200
;

-- GCHostPay3/store.sql:message_made as gcpay_executor
SELECT created_at, schedule_at
  FROM outbox
 WHERE id = $1
;
