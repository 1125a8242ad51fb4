-- What people do to the fleet, on record, and what they ask the executor to decide.

-- Every operation of a person, in the commit of what it changed. Append-only; each row's hash covers its own fields and
-- the hash of the row before, so a row that is changed, taken out or put in later is noticed. Two operations at once
-- cannot both follow the same row.
CREATE TABLE operator_log (
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    by_whom text NOT NULL,                     -- as the person said
    database_role text NOT NULL,               -- as the database knows them
    reason text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    done text NOT NULL,                        -- what was changed, a sentence a line
    trace text NOT NULL,
    previous_hash text NOT NULL,
    hash text NOT NULL,
    CONSTRAINT operator_log_is_numbered PRIMARY KEY (number),
    CONSTRAINT operator_log_is_one_chain UNIQUE (previous_hash),
    CONSTRAINT operator_log_begins_with_nothing CHECK ((number = 1) = (previous_hash = repeat('0', 64))),
    CONSTRAINT operator_log_names_a_person_and_a_reason CHECK (btrim(by_whom) <> '' AND btrim(reason) <> '')
);

-- What a person asks about a transfer. Only the executor touches transfers: its sweep decides, under its own locks and
-- with the rules of approvals.py, and answers here in the same commit.
CREATE TABLE asked_approval (
    id bigint GENERATED ALWAYS AS IDENTITY,
    action text NOT NULL,
    subject text NOT NULL,
    seen_reason text,                          -- why the transfer was held when the person looked at it
    asked_by text NOT NULL,
    reason text NOT NULL,
    asked_at timestamptz NOT NULL,
    log_number bigint NOT NULL,
    taken_at timestamptz,
    outcome text,
    answer text,
    CONSTRAINT asked_approval_is_numbered PRIMARY KEY (id),
    CONSTRAINT asked_approval_action_is_known CHECK (action IN ('cancel', 'held', 'repay', 'void')),
    CONSTRAINT asked_approval_is_in_the_log FOREIGN KEY (log_number) REFERENCES operator_log (number)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT asked_approval_outcome_is_known CHECK (outcome IN ('done', 'refused')),
    CONSTRAINT asked_approval_answer_is_whole CHECK ((taken_at IS NULL) = (outcome IS NULL) AND (taken_at IS NULL) = (answer IS NULL))
);
CREATE UNIQUE INDEX approval_is_asked_once ON asked_approval (action, subject) WHERE taken_at IS NULL;

-- A batch whose attempts to open an order are spent gets as many again when a person says so: how many had been made.
ALTER TABLE batch_conversions ADD COLUMN attempts_forgiven integer NOT NULL DEFAULT 0;
ALTER TABLE batch_conversions ADD CONSTRAINT batch_forgives_what_was_made CHECK (attempts_forgiven >= 0);
