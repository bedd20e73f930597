-- Decisions, as the domain value; the columns are what lists filter by.
CREATE TABLE decisions (
    id VARCHAR(50) PRIMARY KEY,
    backtest_id VARCHAR(50) NOT NULL,
    strategy_id VARCHAR(50) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    outcome VARCHAR(20) NOT NULL,
    document JSON NOT NULL,
    created_at TIMESTAMP NOT NULL,
    FOREIGN KEY (backtest_id) REFERENCES backtest_reports(id),
    FOREIGN KEY (strategy_id) REFERENCES strategies(id)
);
CREATE INDEX idx_decisions_created_at ON decisions(created_at DESC);
CREATE INDEX idx_decisions_backtest_id ON decisions(backtest_id);

-- What goes out on ZeroMQ, in order. A row is written with the package it carries, and published_at
-- once it has been handed to the socket.
CREATE TABLE package_outbox (
    epoch VARCHAR(32) NOT NULL,
    seq BIGINT NOT NULL,
    package_id VARCHAR(50) NOT NULL,
    document JSON NOT NULL,
    signed_payload $blob NOT NULL,
    signature $blob NOT NULL,
    created_at TIMESTAMP NOT NULL,
    published_at TIMESTAMP,
    PRIMARY KEY (epoch, seq),
    FOREIGN KEY (package_id) REFERENCES parameter_packages(id)
);
CREATE INDEX idx_package_outbox_package_id ON package_outbox(package_id);

-- The life of this database: one row, made once.
CREATE TABLE database_epoch (
    epoch VARCHAR(32) PRIMARY KEY,
    created_at TIMESTAMP NOT NULL
);
