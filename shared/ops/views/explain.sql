-- name: story(machines, subjects)
-- What happened to these, in the order in which it was written (index history_by_subject).
SELECT h.id, h.at, h.machine, h.subject, h.from_state, h.to_state, h.event, h.trace, h.evidence
  FROM history h
  JOIN unnest(:machines::text[], :subjects::text[]) AS named (machine, subject)
    ON named.machine = h.machine AND named.subject = h.subject
 ORDER BY h.id;

-- name: last_answers(nonce, unique_id)
-- What each provider answered last when the bytes of a transfer's nonce were sent, among the newest sends of all.
SELECT DISTINCT ON (l.provider) l.provider, l.answer_class, l.at
  FROM slot s
  JOIN attempt a ON a.account_address = s.account_address AND a.chain_id = s.chain_id AND a.nonce = s.nonce
  JOIN send_log l ON l.tx_hash = a.tx_hash
 WHERE s.unique_id = :unique_id AND s.nonce = :nonce AND l.id > (SELECT max(newest.id) FROM send_log newest) - 10000
 ORDER BY l.provider, l.id DESC;
