-- The operator log: a chain of what people did.

-- name: lock_log()
-- One operation is written at a time: its number and the hash before it are read under this lock.
SELECT pg_advisory_xact_lock(7236502) IS NULL AS locked;

-- name: last_entry()
-- The end of the chain.
SELECT number, hash FROM operator_log ORDER BY number DESC LIMIT 1;

-- name: who()
-- The role that this person is to the database, whatever they call themselves.
SELECT session_user::text AS database_role;

-- name: append(number, at, by_whom, database_role, reason, action, subject, done, trace, previous_hash, hash)
-- One operation, in the commit of what it changed.
INSERT INTO operator_log (number, at, by_whom, database_role, reason, action, subject, done, trace, previous_hash, hash)
VALUES (:number, :at, :by_whom, :database_role, :reason, :action, :subject, :done, :trace, :previous_hash, :hash);

-- name: entries()
-- The whole chain, oldest first.
SELECT number, at, by_whom, database_role, reason, action, subject, done, trace, previous_hash, hash
  FROM operator_log
 ORDER BY number;

-- name: named_elsewhere()
-- The highest number of the log that rows outside it name: entries taken off its end are missed there.
SELECT greatest((SELECT max((evidence ->> 'operator_log')::bigint) FROM history WHERE evidence ? 'operator_log'),
                (SELECT max(log_number) FROM asked_approval)) AS number;
