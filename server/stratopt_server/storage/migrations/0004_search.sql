-- Whose turn a job is, and how many of its attempts were lost with their process or server.
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN caller VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN losses INTEGER NOT NULL DEFAULT 0;
-- Holds all that tells whose turn it is: the rows themselves may be long.
DROP INDEX idx_jobs_status;
CREATE INDEX idx_jobs_queue ON jobs(status, created_at, id, kind, started_at, priority, caller);
CREATE INDEX idx_jobs_caller ON jobs(caller, started_at);

-- The figures that a search makes best, as the domain value; optimization_target names them in a word.
ALTER TABLE optimization_tasks ADD COLUMN objectives JSON;

-- search_window is the window of a walk-forward whose search made the trial, NULL for the search that finds
-- the best. blocks are sums of r and r^2 over blocks of bars: pairs of little-endian doubles.
ALTER TABLE trials ADD COLUMN search_window INTEGER;
ALTER TABLE trials ADD COLUMN blocks $blob;

-- Trials that were proposed together. candidates is NULL once they are trials.
CREATE TABLE trial_batches (
    optimization_id VARCHAR(50) NOT NULL,
    number BIGINT NOT NULL,
    search_window INTEGER,
    first_trial BIGINT NOT NULL,
    trial_count BIGINT NOT NULL,
    candidates JSON,
    PRIMARY KEY (optimization_id, number),
    FOREIGN KEY (optimization_id) REFERENCES optimization_tasks(id)
);
-- What was tried before there were batches is one.
INSERT INTO trial_batches (optimization_id, number, first_trial, trial_count)
SELECT optimization_id, 0, MIN(number), COUNT(*) FROM trials GROUP BY optimization_id;

-- Distinct trials ever made, by digest, of each lineage of code on each market.
CREATE TABLE code_lineages (
    code_hash VARCHAR(64) PRIMARY KEY,
    lineage VARCHAR(64) NOT NULL
);
CREATE TABLE ledger_markets (
    id BIGINT PRIMARY KEY,
    lineage VARCHAR(64) NOT NULL,
    exchange VARCHAR(30) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    timeframe VARCHAR(5) NOT NULL,
    UNIQUE (lineage, exchange, symbol, timeframe)
);
CREATE TABLE ledger_trials (
    market_id BIGINT NOT NULL,
    digest $blob NOT NULL,
    PRIMARY KEY (market_id, digest),
    FOREIGN KEY (market_id) REFERENCES ledger_markets(id)
);
