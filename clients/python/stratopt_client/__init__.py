"""Typed client of stratopt.

    async with Client("127.0.0.1:50051") as client:
        backtest = await client.backtests.start("BTC/USDT", "ma_cross_v1.0", params={"fast_period": 5})
        print((await backtest.result()).metrics.sharpe_ratio)

Results are the messages of `stratopt.v1`. Without asyncio: `stratopt_client.sync.SyncClient`.
"""

from stratopt_client._backtests import BacktestHandle
from stratopt_client._client import DEFAULT_TARGET, Client
from stratopt_client._errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidInput,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    NotFound,
    ResourceExhausted,
    StratoptError,
    Unavailable,
    Violation,
)
from stratopt_client._optimizations import OptimizationHandle
from stratopt_client._options import (
    BacktestOptions,
    ImportOptions,
    Objective,
    OptimizationOptions,
    RunOptions,
    StopRuleOptions,
    ValidationOptions,
)
from stratopt_client._pages import Page, Pager
from stratopt_client._params import ParamRange, ParamRanges, Params, ParamValue, params_to_python
from stratopt_client._pipelines import PipelineHandle
from stratopt_client._plain import to_dict

__all__ = [
    "DEFAULT_TARGET",
    "AlreadyExists",
    "BacktestHandle",
    "BacktestOptions",
    "Client",
    "FailedPrecondition",
    "ImportOptions",
    "InvalidInput",
    "InvalidRequest",
    "JobCancelled",
    "JobFailed",
    "NotFound",
    "Objective",
    "OptimizationHandle",
    "OptimizationOptions",
    "Page",
    "Pager",
    "ParamRange",
    "ParamRanges",
    "ParamValue",
    "Params",
    "PipelineHandle",
    "ResourceExhausted",
    "RunOptions",
    "StopRuleOptions",
    "StratoptError",
    "Unavailable",
    "ValidationOptions",
    "Violation",
    "params_to_python",
    "to_dict",
]
