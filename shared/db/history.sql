-- The life story of every machine. Append-only; a move that the lifecycle does not list is refused by
-- history_tells_allowed_moves.

-- name: record(machine, subject, from_state, to_state, event, at, trace, evidence)
-- Writes one transition in the commit that makes it.
insert into history (machine, subject, from_state, to_state, event, at, trace, evidence)
values (:machine, :subject, :from_state, :to_state, :event, :at, :trace, :evidence::jsonb);

-- name: record_many(machine, subjects, from_state, to_state, event, at, trace, evidence)
-- Writes the same transition of many subjects in one statement, in the order given.
insert into history (machine, subject, from_state, to_state, event, at, trace, evidence)
select :machine, moved.subject, :from_state, :to_state, :event, :at, :trace, :evidence::jsonb
from unnest(:subjects::text[]) with ordinality as moved (subject, place)
order by moved.place;

-- name: story_of(machine, subject)
-- Reads everything that happened to one subject, oldest first; relies on history_by_subject.
select id, from_state, to_state, event, at, trace, evidence
from history where machine = :machine and subject = :subject order by id;

-- name: allow(machines, from_states, to_states, events)
-- Adds the transitions that the lifecycle lists and the table does not know yet; known ones stay.
insert into allowed_transition (machine, from_state, to_state, event)
select * from unnest(:machines::text[], :from_states::text[], :to_states::text[], :events::text[])
on conflict on constraint allowed_transition_is_named_once do nothing;
