-- The documented tables: columns, types, keys and indexes are a contract with other services.

CREATE TABLE strategies (
    id VARCHAR(50) PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    version VARCHAR(20) NOT NULL,
    code TEXT NOT NULL,
    default_params JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_strategies_name ON strategies(name);
CREATE INDEX idx_strategies_version ON strategies(version);

CREATE TABLE backtest_reports (
    id VARCHAR(50) PRIMARY KEY,
    strategy_id VARCHAR(50) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    params JSON NOT NULL,
    metrics JSON NOT NULL,
    max_drawdown REAL,
    sharpe_ratio REAL,
    total_return REAL,
    start_date TIMESTAMP,
    end_date TIMESTAMP,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (strategy_id) REFERENCES strategies(id)
);
CREATE INDEX idx_backtest_strategy_id ON backtest_reports(strategy_id);
CREATE INDEX idx_backtest_symbol ON backtest_reports(symbol);
CREATE INDEX idx_backtest_created_at ON backtest_reports(created_at DESC);
CREATE INDEX idx_backtest_sharpe ON backtest_reports(sharpe_ratio DESC);

CREATE TABLE optimization_tasks (
    id VARCHAR(50) PRIMARY KEY,
    strategy_id VARCHAR(50) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    param_ranges JSON NOT NULL,
    optimization_target VARCHAR(20) NOT NULL,
    status VARCHAR(20) DEFAULT 'pending',
    progress REAL DEFAULT 0.0,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    completed_at TIMESTAMP,
    FOREIGN KEY (strategy_id) REFERENCES strategies(id)
);
CREATE INDEX idx_optimization_strategy_id ON optimization_tasks(strategy_id);
CREATE INDEX idx_optimization_status ON optimization_tasks(status);
CREATE INDEX idx_optimization_created_at ON optimization_tasks(created_at DESC);

CREATE TABLE optimization_results (
    id VARCHAR(50) PRIMARY KEY,
    optimization_id VARCHAR(50) NOT NULL,
    best_params JSON NOT NULL,
    best_score REAL NOT NULL,
    all_results JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (optimization_id) REFERENCES optimization_tasks(id)
);
CREATE INDEX idx_optimization_results_task_id ON optimization_results(optimization_id);
CREATE INDEX idx_optimization_results_score ON optimization_results(best_score DESC);

CREATE TABLE parameter_packages (
    id VARCHAR(50) PRIMARY KEY,
    backtest_id VARCHAR(50) NOT NULL,
    symbol VARCHAR(20) NOT NULL,
    strategy_id VARCHAR(50) NOT NULL,
    params JSON NOT NULL,
    metrics JSON NOT NULL,
    approved BOOLEAN DEFAULT FALSE,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    published_at TIMESTAMP,
    FOREIGN KEY (backtest_id) REFERENCES backtest_reports(id),
    FOREIGN KEY (strategy_id) REFERENCES strategies(id)
);
CREATE INDEX idx_parameter_packages_symbol ON parameter_packages(symbol);
CREATE INDEX idx_parameter_packages_approved ON parameter_packages(approved);
CREATE INDEX idx_parameter_packages_created_at ON parameter_packages(created_at DESC);

