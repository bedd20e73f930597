-- The catalog of market data; the bars themselves lie in files named by content_hash.
CREATE TABLE datasets (
    id VARCHAR(50) PRIMARY KEY,
    exchange VARCHAR(30) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    timeframe VARCHAR(5) NOT NULL,
    bar_count BIGINT NOT NULL,
    first_bar_time TIMESTAMP NOT NULL,
    last_bar_time TIMESTAMP NOT NULL,
    content_hash VARCHAR(64) NOT NULL,
    bars_per_year DOUBLE PRECISION NOT NULL,
    quality JSON NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    UNIQUE (exchange, symbol, timeframe)
);
CREATE INDEX idx_datasets_symbol ON datasets(symbol);
CREATE INDEX idx_datasets_created_at ON datasets(created_at DESC);

-- Backtests and optimizations in the queue. spec, progress, result and failure are the domain values.
CREATE TABLE jobs (
    id VARCHAR(50) PRIMARY KEY,
    kind VARCHAR(20) NOT NULL,
    strategy_id VARCHAR(50) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    spec JSON NOT NULL,
    status VARCHAR(20) NOT NULL,
    progress JSON NOT NULL,
    result JSON,
    failure JSON,
    attempt INTEGER NOT NULL,
    last_sequence BIGINT NOT NULL,
    lease_owner VARCHAR(64),
    lease_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    started_at TIMESTAMP,
    completed_at TIMESTAMP,
    FOREIGN KEY (strategy_id) REFERENCES strategies(id)
);
CREATE INDEX idx_jobs_status ON jobs(status, created_at);
CREATE INDEX idx_jobs_kind ON jobs(kind, created_at DESC);
CREATE INDEX idx_jobs_strategy_id ON jobs(strategy_id);

-- What happened to a job. Progress is one row, overwritten; the rest is kept.
CREATE TABLE job_events (
    job_id VARCHAR(50) NOT NULL,
    sequence BIGINT NOT NULL,
    kind VARCHAR(20) NOT NULL,
    payload JSON,
    PRIMARY KEY (job_id, sequence),
    FOREIGN KEY (job_id) REFERENCES jobs(id)
);

-- Every parameter set that an optimization tried.
CREATE TABLE trials (
    optimization_id VARCHAR(50) NOT NULL,
    number BIGINT NOT NULL,
    status VARCHAR(20) NOT NULL,
    score DOUBLE PRECISION,
    params JSON NOT NULL,
    metrics JSON NOT NULL,
    PRIMARY KEY (optimization_id, number),
    FOREIGN KEY (optimization_id) REFERENCES optimization_tasks(id)
);

-- Reports in pieces that can be streamed: the series by chunks of bars, the trades, the page.
CREATE TABLE report_parts (
    backtest_id VARCHAR(50) NOT NULL,
    kind VARCHAR(20) NOT NULL,
    number BIGINT NOT NULL,
    content $blob NOT NULL,
    PRIMARY KEY (backtest_id, kind, number),
    FOREIGN KEY (backtest_id) REFERENCES backtest_reports(id)
);

-- Calls that were answered, for callers that repeat them.
CREATE TABLE request_log (
    method VARCHAR(60) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    digest VARCHAR(64) NOT NULL,
    resource_id VARCHAR(50) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (method, request_id)
);
