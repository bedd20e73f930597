-- What one server of several does for all of them, and until when it is believed to.
CREATE TABLE leases (
    name VARCHAR(50) PRIMARY KEY,
    owner VARCHAR(64) NOT NULL,
    detail VARCHAR(200) NOT NULL,
    lease_until TIMESTAMP NOT NULL
);
-- The backtest whose series, trades and page are this one's too: it ran the same.
ALTER TABLE backtest_reports ADD COLUMN parts_of VARCHAR(50);
CREATE INDEX idx_jobs_lease_owner ON jobs(lease_owner);
CREATE INDEX idx_request_log_created_at ON request_log(created_at);
