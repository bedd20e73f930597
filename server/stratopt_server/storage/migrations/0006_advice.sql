-- Advice that was given, as the domain value: what a model was told and what it said stand in it.
CREATE TABLE advice (
    id VARCHAR(50) PRIMARY KEY,
    kind VARCHAR(20) NOT NULL,
    subject_id VARCHAR(50) NOT NULL,
    source VARCHAR(10) NOT NULL,
    document JSON NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX idx_advice_subject_id ON advice(subject_id);
