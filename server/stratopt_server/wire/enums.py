"""Domain words <-> proto enums. An unknown or unspecified word on the way in is told apart by the caller."""

from stratopt.v1 import (
    advice_pb2,
    backtest_service_pb2,
    dataset_pb2,
    decision_pb2,
    job_pb2,
    market_data_service_pb2,
    metrics_pb2,
    optimization_pb2,
    optimization_service_pb2,
    pipeline_pb2,
    run_pb2,
    sealed_holdout_pb2,
    system_service_pb2,
)
from stratopt_server.domain.advice import AdviceKind, AdviceSource, Language
from stratopt_server.domain.decisions import DecisionOutcome, GateKind, GateResult, ReviewWord
from stratopt_server.domain.evidence import EvidenceSource, SealState
from stratopt_server.domain.goals import Target
from stratopt_server.domain.jobs import JobStatus
from stratopt_server.domain.market import DataGrade
from stratopt_server.domain.metrics import RunStatus
from stratopt_server.domain.optimization import StopReason, TrialStatus
from stratopt_server.domain.parts import Health, PartStatus
from stratopt_server.domain.pipelines import PipelineStep
from stratopt_server.domain.ports import ReportOrder
from stratopt_server.domain.runs import Algorithm, Direction, Fill, FillModel, SizingKind
from stratopt_server.domain.validation import ValidationMethod
from stratopt_server.market.formats import TableFormat
from stratopt_server.market.read import FileFormat
from stratopt_server.usecases.datasets import ImportOutcome

JOB_STATUS = {
    JobStatus.PENDING: job_pb2.JOB_STATUS_PENDING,
    JobStatus.RUNNING: job_pb2.JOB_STATUS_RUNNING,
    JobStatus.SUCCEEDED: job_pb2.JOB_STATUS_SUCCEEDED,
    JobStatus.FAILED: job_pb2.JOB_STATUS_FAILED,
    JobStatus.CANCELLED: job_pb2.JOB_STATUS_CANCELLED,
    JobStatus.PAUSED: job_pb2.JOB_STATUS_PAUSED,
}
FILL = {Fill.NEXT_OPEN: run_pb2.FILL_NEXT_OPEN, Fill.CLOSE: run_pb2.FILL_CLOSE}
DIRECTION = {
    Direction.LONG: run_pb2.DIRECTION_LONG,
    Direction.SHORT: run_pb2.DIRECTION_SHORT,
    Direction.BOTH: run_pb2.DIRECTION_BOTH,
}
SIZING_KIND = {
    SizingKind.ALL_IN: run_pb2.SIZING_KIND_ALL_IN,
    SizingKind.FRACTION: run_pb2.SIZING_KIND_FRACTION,
    SizingKind.FIXED: run_pb2.SIZING_KIND_FIXED,
}
FILL_MODEL = {
    FillModel.TOUCH: run_pb2.FILL_MODEL_TOUCH,
    FillModel.THROUGH: run_pb2.FILL_MODEL_THROUGH,
    FillModel.VOLUME: run_pb2.FILL_MODEL_VOLUME,
    FillModel.TOUCH_PATH: run_pb2.FILL_MODEL_TOUCH_PATH,
}
RUN_STATUS = {
    RunStatus.TRADED: metrics_pb2.RUN_STATUS_TRADED,
    RunStatus.NEVER_TRADED: metrics_pb2.RUN_STATUS_NEVER_TRADED,
    RunStatus.LIQUIDATED: metrics_pb2.RUN_STATUS_LIQUIDATED,
}
TARGET = {
    Target.SHARPE: optimization_pb2.OPTIMIZATION_TARGET_SHARPE,
    Target.RETURN: optimization_pb2.OPTIMIZATION_TARGET_RETURN,
    Target.DRAWDOWN: optimization_pb2.OPTIMIZATION_TARGET_DRAWDOWN,
    Target.SORTINO: optimization_pb2.OPTIMIZATION_TARGET_SORTINO,
    Target.CALMAR: optimization_pb2.OPTIMIZATION_TARGET_CALMAR,
    Target.PROFIT_FACTOR: optimization_pb2.OPTIMIZATION_TARGET_PROFIT_FACTOR,
}
ALGORITHM = {
    Algorithm.GRID: optimization_pb2.ALGORITHM_GRID,
    Algorithm.RANDOM: optimization_pb2.ALGORITHM_RANDOM,
    Algorithm.GENETIC: optimization_pb2.ALGORITHM_GENETIC,
    Algorithm.BAYESIAN: optimization_pb2.ALGORITHM_BAYESIAN,
    Algorithm.SOBOL: optimization_pb2.ALGORITHM_SOBOL,
    Algorithm.NSGA2: optimization_pb2.ALGORITHM_NSGA2,
    Algorithm.TPE: optimization_pb2.ALGORITHM_TPE,
}
VALIDATION_METHOD = {
    ValidationMethod.WALK_FORWARD: optimization_pb2.VALIDATION_METHOD_WALK_FORWARD,
    ValidationMethod.HOLDOUT: optimization_pb2.VALIDATION_METHOD_HOLDOUT,
    ValidationMethod.NONE: optimization_pb2.VALIDATION_METHOD_NONE,
}
STOP_REASON = {
    StopReason.MAX_ITERATIONS: optimization_pb2.STOP_REASON_MAX_ITERATIONS,
    StopReason.EXHAUSTED: optimization_pb2.STOP_REASON_EXHAUSTED,
    StopReason.CANCELLED: optimization_pb2.STOP_REASON_CANCELLED,
    StopReason.TIME_BUDGET: optimization_pb2.STOP_REASON_TIME_BUDGET,
    StopReason.TARGET_REACHED: optimization_pb2.STOP_REASON_TARGET_REACHED,
    StopReason.PLATEAU: optimization_pb2.STOP_REASON_PLATEAU,
}
TRIAL_STATUS = {
    TrialStatus.OK: optimization_pb2.TRIAL_STATUS_OK,
    TrialStatus.TOO_FEW_TRADES: optimization_pb2.TRIAL_STATUS_TOO_FEW_TRADES,
    TrialStatus.UNDEFINED: optimization_pb2.TRIAL_STATUS_UNDEFINED,
}
DATA_GRADE = {
    DataGrade.GOOD: dataset_pb2.DATA_GRADE_GOOD,
    DataGrade.USABLE: dataset_pb2.DATA_GRADE_USABLE,
    DataGrade.BAD: dataset_pb2.DATA_GRADE_BAD,
}
FILE_FORMAT = {
    FileFormat.AUTO: market_data_service_pb2.FILE_FORMAT_UNSPECIFIED,
    FileFormat.PARQUET: market_data_service_pb2.FILE_FORMAT_PARQUET,
    FileFormat.CSV: market_data_service_pb2.FILE_FORMAT_CSV,
}
TABLE_FORMAT = {
    TableFormat.CSV: optimization_service_pb2.TRIAL_FILE_FORMAT_CSV,
    TableFormat.PARQUET: optimization_service_pb2.TRIAL_FILE_FORMAT_PARQUET,
}
IMPORT_OUTCOME = {
    ImportOutcome.CREATED: market_data_service_pb2.IMPORT_OUTCOME_CREATED,
    ImportOutcome.REPLACED: market_data_service_pb2.IMPORT_OUTCOME_REPLACED,
    ImportOutcome.UNCHANGED: market_data_service_pb2.IMPORT_OUTCOME_UNCHANGED,
}
REPORT_ORDER = {
    ReportOrder.NEWEST: backtest_service_pb2.REPORT_ORDER_UNSPECIFIED,
    ReportOrder.SHARPE: backtest_service_pb2.REPORT_ORDER_SHARPE,
    ReportOrder.RETURN: backtest_service_pb2.REPORT_ORDER_RETURN,
    ReportOrder.DRAWDOWN: backtest_service_pb2.REPORT_ORDER_DRAWDOWN,
}
DECISION_OUTCOME = {
    DecisionOutcome.APPROVE: decision_pb2.DECISION_OUTCOME_APPROVE,
    DecisionOutcome.REVIEW: decision_pb2.DECISION_OUTCOME_REVIEW,
    DecisionOutcome.REJECT: decision_pb2.DECISION_OUTCOME_REJECT,
}
PIPELINE_STEP = {
    PipelineStep.WAITING: pipeline_pb2.PIPELINE_STEP_UNSPECIFIED,
    PipelineStep.OPTIMIZE: pipeline_pb2.PIPELINE_STEP_OPTIMIZE,
    PipelineStep.BACKTEST: pipeline_pb2.PIPELINE_STEP_BACKTEST,
    PipelineStep.APPROVE: pipeline_pb2.PIPELINE_STEP_APPROVE,
    PipelineStep.PUBLISH: pipeline_pb2.PIPELINE_STEP_PUBLISH,
    PipelineStep.DONE: pipeline_pb2.PIPELINE_STEP_DONE,
}
GATE_KIND = {
    GateKind.HARD: decision_pb2.GATE_KIND_HARD,
    GateKind.REVIEW: decision_pb2.GATE_KIND_REVIEW,
    GateKind.WARN: decision_pb2.GATE_KIND_WARN,
}
GATE_RESULT = {
    GateResult.PASSED: decision_pb2.GATE_RESULT_PASSED,
    GateResult.WARNING: decision_pb2.GATE_RESULT_WARNING,
    GateResult.REVIEW: decision_pb2.GATE_RESULT_REVIEW,
    GateResult.FAILED: decision_pb2.GATE_RESULT_FAILED,
    GateResult.NOT_APPLICABLE: decision_pb2.GATE_RESULT_NOT_APPLICABLE,
    GateResult.NOT_COMPUTABLE: decision_pb2.GATE_RESULT_NOT_COMPUTABLE,
}
REVIEW_WORD = {
    ReviewWord.APPROVED: decision_pb2.REVIEW_WORD_APPROVED,
    ReviewWord.REJECTED: decision_pb2.REVIEW_WORD_REJECTED,
}
SEAL_STATE = {
    SealState.UNOPENED: sealed_holdout_pb2.SEAL_STATE_UNOPENED,
    SealState.TESTED: sealed_holdout_pb2.SEAL_STATE_TESTED,
    SealState.SPENT: sealed_holdout_pb2.SEAL_STATE_SPENT,
}
ADVICE_LANGUAGE = {
    Language.ENGLISH: advice_pb2.ADVICE_LANGUAGE_ENGLISH,
    Language.CHINESE: advice_pb2.ADVICE_LANGUAGE_CHINESE,
}
ADVICE_KIND = {
    AdviceKind.EXPLAIN_BACKTEST: advice_pb2.ADVICE_KIND_EXPLAIN_BACKTEST,
    AdviceKind.EXPLAIN_DECISION: advice_pb2.ADVICE_KIND_EXPLAIN_DECISION,
    AdviceKind.PROPOSE_SEARCH: advice_pb2.ADVICE_KIND_PROPOSE_SEARCH,
}
ADVICE_SOURCE = {
    AdviceSource.RULES: advice_pb2.ADVICE_SOURCE_RULES,
    AdviceSource.MODEL: advice_pb2.ADVICE_SOURCE_MODEL,
}
EVIDENCE_SOURCE = {
    EvidenceSource.OPTIMIZATION: decision_pb2.EVIDENCE_SOURCE_OPTIMIZATION,
    EvidenceSource.FIXED_PARAMETERS: decision_pb2.EVIDENCE_SOURCE_FIXED_PARAMETERS,
}
PART_STATUS = {
    PartStatus.OK: system_service_pb2.PART_STATUS_OK,
    PartStatus.IDLE: system_service_pb2.PART_STATUS_IDLE,
    PartStatus.ILL: system_service_pb2.PART_STATUS_ILL,
}
HEALTH = {
    Health.OK: system_service_pb2.SERVER_HEALTH_OK,
    Health.DEGRADED: system_service_pb2.SERVER_HEALTH_DEGRADED,
    Health.ILL: system_service_pb2.SERVER_HEALTH_ILL,
}
