-- The books. Append-only; posting_balances refuses at commit what does not sum to zero per asset.

-- name: post(event, subject, at, trace, lines, assets, accounts, amounts)
-- Writes a posting with its entries, or nothing when (event, subject) is there; relies on posting_is_made_once.
with made as (
    insert into posting (event, subject, at, trace) values (:event, :subject, :at, :trace)
    on conflict on constraint posting_is_made_once do nothing
    returning id
)
insert into book_entry (posting_id, line, asset, account, amount)
select made.id, entry.line, entry.asset, entry.account, entry.amount
from made
cross join unnest(:lines::smallint[], :assets::text[], :accounts::text[], :amounts::numeric[])
    as entry (line, asset, account, amount);

-- name: entries_of(event, subject)
-- Reads what was posted for a fact, to tell a repeat from a contradiction.
select entry.asset, entry.account, entry.amount
from posting join book_entry as entry on entry.posting_id = posting.id
where posting.event = :event and posting.subject = :subject
order by entry.line;

-- name: totals()
-- Sums every account per asset.
select asset, account, sum(amount) as amount from book_entry group by asset, account;

-- name: unbalanced()
-- Finds postings that do not sum to zero; there are none unless posting_balances was switched off.
select distinct posting_id from book_entry group by posting_id, asset having sum(amount) <> 0 order by posting_id limit 20;
