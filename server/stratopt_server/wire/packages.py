"""Parameter packages, their revocations and their replay <-> proto."""

from stratopt.v1 import approval_service_pb2 as service_pb
from stratopt.v1 import event_pb2
from stratopt.v1 import parameter_package_pb2 as pb
from stratopt_server.domain.errors import Violations
from stratopt_server.domain.packages import PackageFilter, PackageReview, ParameterPackage, Revocation
from stratopt_server.usecases.replays import Replay
from stratopt_server.usecases.revoking import RevocationRequest
from stratopt_server.wire.parameters import params_to_proto
from stratopt_server.wire.reading import check_request_id
from stratopt_server.wire.times import to_timestamp


def package_filter(request: service_pb.ListParameterPackagesRequest) -> PackageFilter:
    """Read which packages a list is about."""
    return PackageFilter(
        strategy_id=request.strategy_id or None,
        symbol=request.symbol or None,
        approved=not request.drafts,
    )


def package_to_proto(package: ParameterPackage) -> pb.ParameterPackage:
    """Write a package with its signed bytes."""
    published = package.published_at
    return pb.ParameterPackage(
        id=package.id,
        decision_id=package.decision_id,
        backtest_id=package.backtest_id,
        strategy_id=package.strategy_id,
        symbol=package.symbol,
        exchange=package.exchange,
        timeframe=package.timeframe,
        params=params_to_proto(package.params),
        epoch=package.epoch,
        seq=package.seq,
        signed_payload=package.signed_payload,
        signature=package.signature,
        key_id=package.key_id,
        valid_until_time=to_timestamp(package.valid_until),
        create_time=to_timestamp(package.created_at),
        publish_time=None if published is None else to_timestamp(published),
        approved=package.approved,
        reviews=[_review_to_proto(review) for review in package.reviews],
        revocation=None if package.revocation is None else revocation_to_proto(package.revocation),
    )


def revocation_to_proto(revocation: Revocation) -> pb.PackageRevocation:
    """Write a revocation with its signed bytes."""
    return pb.PackageRevocation(
        package_id=revocation.package_id,
        epoch=revocation.place.epoch,
        seq=revocation.place.seq,
        reason=revocation.reason,
        revoked_by=revocation.revoked_by,
        create_time=to_timestamp(revocation.created_at),
        signed_payload=revocation.signed_payload,
        signature=revocation.signature,
        key_id=revocation.key_id,
    )


def revocation_from_proto(request: service_pb.RevokeParameterPackageRequest) -> RevocationRequest:
    """Read what to revoke; raises RequestRefused."""
    violations = Violations()
    check_request_id(request, violations)
    violations.refuse_if_any()
    return RevocationRequest(
        package_id=request.package_id, reason=request.reason, revoked_by=request.revoked_by
    )


def replayed_packages(replay: Replay[ParameterPackage]) -> service_pb.ReplayParameterPackagesResponse:
    """Write packages that were asked for by place."""
    return service_pb.ReplayParameterPackagesResponse(
        parameter_packages=[package_to_proto(package) for package in replay.rows],
        epoch=replay.last.epoch,
        last_seq=replay.last.seq,
    )


def replayed_revocations(replay: Replay[Revocation]) -> service_pb.ReplayRevocationsResponse:
    """Write revocations likewise."""
    return service_pb.ReplayRevocationsResponse(
        revocations=[revocation_to_proto(revocation) for revocation in replay.rows],
        epoch=replay.last.epoch,
        last_seq=replay.last.seq,
    )


def event_bytes(package: ParameterPackage) -> bytes:
    """Write a package as the protobuf topic has it."""
    return event_pb2.Event(parameter_package=package_to_proto(package)).SerializeToString()


def _review_to_proto(review: PackageReview) -> pb.PackageReview:
    return pb.PackageReview(
        approved=review.approved,
        reviewer_id=review.reviewer_id,
        reason=review.reason,
        create_time=to_timestamp(review.created_at),
    )
