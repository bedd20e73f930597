"""What a search found -> proto."""

from stratopt.v1 import optimization_pb2 as pb
from stratopt_server.domain.optimization import (
    BestTrial,
    Plateau,
    RobustTrial,
    Trial,
    WalkForwardResult,
    WindowResult,
)
from stratopt_server.domain.validation import Split
from stratopt_server.wire.enums import STOP_REASON, TRIAL_STATUS
from stratopt_server.wire.jobs import metrics_to_proto
from stratopt_server.wire.parameters import params_to_proto
from stratopt_server.wire.times import to_timestamp


def trial_to_proto(trial: Trial) -> pb.Trial:
    """Write one trial."""
    return pb.Trial(
        number=trial.number,
        params=params_to_proto(trial.params),
        status=TRIAL_STATUS[trial.status],
        score=trial.score,
        metrics=metrics_to_proto(trial.metrics),
        window=trial.window,
    )


def best_to_proto(best: BestTrial) -> pb.BestTrial:
    """Write a trial that was picked."""
    out_of_sample = None if best.out_of_sample is None else metrics_to_proto(best.out_of_sample)
    return pb.BestTrial(trial=trial_to_proto(best.trial), out_of_sample=out_of_sample)


def robust_to_proto(robust: RobustTrial) -> pb.RobustTrial:
    """Write the robust pick."""
    out_of_sample = None if robust.out_of_sample is None else metrics_to_proto(robust.out_of_sample)
    return pb.RobustTrial(
        trial=trial_to_proto(robust.trial),
        out_of_sample=out_of_sample,
        neighbours=robust.neighbours.count,
        neighbour_median=robust.neighbours.median,
    )


def plateau_to_proto(plateau: Plateau) -> pb.Plateau:
    """Write how the score stands around the best."""
    return pb.Plateau(
        neighbours=plateau.neighbours, median_ratio=plateau.median_ratio, share_70=plateau.share_70
    )


def walk_forward_to_proto(found: WalkForwardResult | None, splits: tuple[Split, ...]) -> pb.WalkForward:
    """Write the windows, also those that have not been searched yet."""
    found = found or WalkForwardResult()
    results = {result.number: result for result in found.windows}
    message = pb.WalkForward(
        windows=[_window_to_proto(number, split, results.get(number)) for number, split in enumerate(splits)],
        efficiency=found.efficiency,
    )
    if found.out_of_sample is not None:
        message.out_of_sample.CopyFrom(metrics_to_proto(found.out_of_sample))
    if found.robust_out_of_sample is not None:
        message.robust_out_of_sample.CopyFrom(metrics_to_proto(found.robust_out_of_sample))
    return message


def _window_to_proto(number: int, split: Split, result: WindowResult | None) -> pb.Window:
    message = pb.Window(
        number=number,
        train_start_date=to_timestamp(split.train.first),
        train_end_date=to_timestamp(split.train.last),
        test_start_date=to_timestamp(split.test.first),
        test_end_date=to_timestamp(split.test.last),
    )
    if result is not None:
        message.stop_reason = STOP_REASON[result.stop_reason]
        if result.best is not None:
            message.best.CopyFrom(best_to_proto(result.best))
    return message
