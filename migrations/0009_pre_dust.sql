-- What the batcher asks the books at every tick and under every claim: the dust account alone. Without this it reads the
-- entries of every payment there ever was.
CREATE INDEX book_entry_of_dust ON book_entry (asset) INCLUDE (amount) WHERE account = 'dust';
