-- What one server of several does for all of them, and until when it is believed to.
CREATE TABLE leases (
    name VARCHAR(50) PRIMARY KEY,
    owner VARCHAR(64) NOT NULL,
    detail VARCHAR(200) NOT NULL,
    lease_until TIMESTAMP NOT NULL
);
CREATE INDEX idx_jobs_lease_owner ON jobs(lease_owner);
CREATE INDEX idx_request_log_created_at ON request_log(created_at);
