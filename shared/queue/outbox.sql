-- What a service means to say, kept in the commit that decided it; the row is the truth, the task only its shadow.

-- name: put(id, service, edge, message_type, message_id, body, machine, subject, trace, now, schedule_at)
-- Keeps one message in the caller's transaction; its task is made after the commit. It carries the trace under which its
-- batch or request began (index history_by_subject), whoever drives it on later; without one, the trace of this task.
INSERT INTO outbox (id, service, edge, message_type, message_id, body, trace, created_at, schedule_at)
VALUES (:id, :service, :edge, :message_type, :message_id, :body,
        coalesce((SELECT h.trace FROM history h WHERE h.machine = :machine AND h.subject = :subject ORDER BY h.id LIMIT 1), :trace),
        :now, :schedule_at);

-- name: unsent_of(ids)
-- Of these messages, those whose task is not known to be made, in the order they were kept.
SELECT id, edge, message_type, message_id, body, trace, schedule_at
FROM outbox
WHERE id = ANY(:ids::uuid[]) AND sent_at IS NULL
ORDER BY created_at, id;

-- name: unsent_before(service, before, passed_over, row_limit)
-- The oldest messages of a service whose task is not known to be made, but for some; relies on outbox_unsent.
SELECT id, edge, message_type, message_id, body, trace, schedule_at
FROM outbox
WHERE service = :service AND sent_at IS NULL AND created_at <= :before AND NOT id = ANY(:passed_over::uuid[])
ORDER BY created_at, id
LIMIT :row_limit;

-- name: mark_sent(id, now, task_name)
-- The task is made; a second mark changes nothing, so that the first time stays on record.
UPDATE outbox SET sent_at = :now, task_name = :task_name
WHERE id = :id AND sent_at IS NULL;

-- name: count_unsent(service, before)
-- How many messages of a service have waited for their task since before this time; relies on outbox_unsent.
SELECT count(*) AS unsent FROM outbox
WHERE service = :service AND sent_at IS NULL AND created_at <= :before;
