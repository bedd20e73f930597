-- What deflates a Sharpe ratio: those of all trials. sharpe is of daily returns, stream names the returns, so that
-- trials of the same ones count once; both are NULL where there is no Sharpe ratio.
ALTER TABLE ledger_trials ADD COLUMN sharpe DOUBLE PRECISION;
ALTER TABLE ledger_trials ADD COLUMN stream $blob;

-- What the outbox keeps of a package that is approved, of one that waits for a person's word.
ALTER TABLE parameter_packages ADD COLUMN draft JSON;

-- The last bars of a market, held back from every job of a code's lineage until one decision reads them.
CREATE TABLE sealed_holdouts (
    id VARCHAR(50) PRIMARY KEY,
    lineage VARCHAR(64) NOT NULL,
    code_hash VARCHAR(64) NOT NULL,
    exchange VARCHAR(30) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    timeframe VARCHAR(5) NOT NULL,
    strategy_id VARCHAR(50) NOT NULL,
    first_bar_time TIMESTAMP NOT NULL,
    created_at TIMESTAMP NOT NULL,
    spent_at TIMESTAMP,
    spent_on VARCHAR(50),
    test JSON
);
CREATE INDEX idx_sealed_holdouts_market ON sealed_holdouts(lineage, exchange, symbol, timeframe);
