-- What deflates a Sharpe ratio: those of all trials. sharpe is of daily returns, stream names the returns, so that
-- trials of the same ones count once; both are NULL where there is no Sharpe ratio.
ALTER TABLE ledger_trials ADD COLUMN sharpe DOUBLE PRECISION;
ALTER TABLE ledger_trials ADD COLUMN stream $blob;

-- What the outbox keeps of a package that is approved, of one that waits for a person's word.
ALTER TABLE parameter_packages ADD COLUMN draft JSON;
