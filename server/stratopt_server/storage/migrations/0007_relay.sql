-- What review desks say of packages that may trade, oldest first.
ALTER TABLE parameter_packages ADD COLUMN reviews JSON;

-- Packages that may trade no more, in an order of their own.
CREATE TABLE package_revocations (
    epoch VARCHAR(32) NOT NULL,
    seq BIGINT NOT NULL,
    package_id VARCHAR(50) NOT NULL,
    reason TEXT NOT NULL,
    revoked_by TEXT NOT NULL,
    signed_payload $blob NOT NULL,
    signature $blob NOT NULL,
    key_id VARCHAR(64) NOT NULL,
    created_at TIMESTAMP NOT NULL,
    published_at TIMESTAMP,
    PRIMARY KEY (epoch, seq),
    FOREIGN KEY (package_id) REFERENCES parameter_packages(id)
);
CREATE UNIQUE INDEX idx_package_revocations_package_id ON package_revocations(package_id);
CREATE INDEX idx_package_revocations_published_at ON package_revocations(published_at);
CREATE INDEX idx_package_outbox_published_at ON package_outbox(published_at);

-- What became of opportunities, as the domain value; the columns are what queues and lists look at.
CREATE TABLE pipelines (
    id VARCHAR(50) PRIMARY KEY,
    symbol VARCHAR(20) NOT NULL,
    status VARCHAR(20) NOT NULL,
    duplicate_key VARCHAR(80) NOT NULL,
    sequence BIGINT NOT NULL,
    document JSON NOT NULL,
    created_at TIMESTAMP NOT NULL,
    lease_owner VARCHAR(32),
    lease_until TIMESTAMP
);
CREATE INDEX idx_pipelines_created_at ON pipelines(created_at DESC);
CREATE INDEX idx_pipelines_status ON pipelines(status, created_at);
CREATE INDEX idx_pipelines_duplicate_key ON pipelines(duplicate_key);

-- What came in and could not be used: the newest of it.
CREATE TABLE dead_letters (
    id VARCHAR(50) PRIMARY KEY,
    channel VARCHAR(20) NOT NULL,
    cause VARCHAR(30) NOT NULL,
    detail TEXT NOT NULL,
    topic TEXT NOT NULL,
    body $blob NOT NULL,
    body_bytes BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX idx_dead_letters_created_at ON dead_letters(created_at DESC);
