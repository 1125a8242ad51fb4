-- name: story(machines, subjects)
-- What happened to these, in the order in which it was written (index history_by_subject).
SELECT h.id, h.at, h.machine, h.subject, h.from_state, h.to_state, h.event, h.trace, h.evidence
  FROM history h
  JOIN unnest(:machines::text[], :subjects::text[]) AS named (machine, subject)
    ON named.machine = h.machine AND named.subject = h.subject
 ORDER BY h.id;
