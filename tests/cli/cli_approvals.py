"""A server that rejects first and approves then, and publishes what it approves on a real socket."""

# ruff: noqa: N802 - gRPC names the methods of servicers

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import zmq
import zmq.asyncio
from client_fakes import Approvals, System
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stratopt.v1.approval_service_pb2 import (
    ApproveStrategyRequest,
    ApproveStrategyResponse,
    GetSigningKeyResponse,
    StreamApprovalResponse,
)
from stratopt.v1.decision_pb2 import Decision, DecisionOutcome, EvidenceSource, Gate, GateKind, GateResult
from stratopt.v1.parameter_package_pb2 import ParameterPackage
from stratopt.v1.system_service_pb2 import GetServerInfoResponse

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
KEY_ID = hashlib.sha256(PUBLIC).hexdigest()
BEAT_SECONDS = 0.1


def said() -> dict[str, Any]:
    """Return everything a package says."""
    return {
        "package_id": "pkg_1",
        "decision_id": "dec_2",
        "seq": 1,
        "symbol": "PLANTED/USD",
        "timeframe": "4h",
        "strategy_id": "ma_cross_v1.0",
        "action": "BUY",
        "parameters": {"fast_period": 5},
        "position_size": 0.5,
        "risk_level": "low",
        "confidence": 0.97,
        "valid_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        "provenance": {"policy": "default/v1"},
    }


def package() -> ParameterPackage:
    """Return a signed package."""
    payload = json.dumps(said()).encode()
    return ParameterPackage(id="pkg_1", signed_payload=payload, signature=KEY.sign(payload), key_id=KEY_ID)


class FakeApprovals(Approvals, System):
    """Decides by the number of times it was asked."""

    def __init__(self) -> None:
        """Nobody asked yet, and no socket is bound."""
        self.approvals: list[ApproveStrategyRequest] = []
        self.rejections = 1
        self._published = asyncio.Queue[ParameterPackage]()
        self._relay: asyncio.Task[None] | None = None
        self._address = ""

    async def ApproveStrategy(self, request, _context):
        """Reject as often as told, then approve and publish."""
        self.approvals.append(request)
        approves = len(self.approvals) > self.rejections
        outcome = (
            DecisionOutcome.DECISION_OUTCOME_APPROVE if approves else DecisionOutcome.DECISION_OUTCOME_REJECT
        )
        result = GateResult.GATE_RESULT_PASSED if approves else GateResult.GATE_RESULT_FAILED
        decision = Decision(
            id=f"dec_{len(self.approvals)}",
            strategy_id=request.strategy_id,
            backtest_id=request.backtest_id,
            symbol="BTC/USDT",
            policy="default/v1",
            approval_criteria=request.approval_criteria,
            outcome=outcome,
            gates=[
                Gate(
                    criterion="psr_oos",
                    kind=GateKind.GATE_KIND_HARD,
                    result=result,
                    measured="0.97" if approves else "0.41",
                    wanted=">= 0.95",
                    explanation="It needs 812 more daily bars as good as these.",
                )
            ],
            not_measured=["dsr"],
            package_id="pkg_1" if approves else "",
            approved=approves,
        )
        decision.evidence.source = EvidenceSource.EVIDENCE_SOURCE_FIXED_PARAMETERS
        if not approves:
            return ApproveStrategyResponse(decision=decision)
        self._published.put_nowait(package())
        return ApproveStrategyResponse(decision=decision, parameter_package=package())

    async def StreamApproval(self, request, context):
        """Say what happens, then answer."""
        for stage in ("running all bars", "deciding"):
            yield StreamApprovalResponse(stage=stage)
        yield StreamApprovalResponse(answer=await self.ApproveStrategy(request.approval, context))

    async def GetSigningKey(self, _request, _context):
        """Answer."""
        return GetSigningKeyResponse(public_key=PUBLIC, key_id=KEY_ID)

    async def GetServerInfo(self, _request, _context):
        """Bind the relay when somebody first asks for it."""
        if self._relay is None:
            bound = asyncio.get_running_loop().create_future()
            self._relay = asyncio.create_task(self._publish(bound))
            self._address = await bound
        return GetServerInfoResponse(relay_address=self._address)

    async def _publish(self, bound: "asyncio.Future[str]") -> None:
        with zmq.asyncio.Context() as context, context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind("tcp://127.0.0.1:*")
            bound.set_result(socket.getsockopt_string(zmq.LAST_ENDPOINT))
            while True:
                await socket.send_multipart([b"optimizer.heartbeat", b"{}"])
                await asyncio.sleep(BEAT_SECONDS)
                while not self._published.empty():
                    made = self._published.get_nowait()
                    document = {
                        **json.loads(made.signed_payload),
                        "signature": base64.b64encode(made.signature).decode(),
                        "signed_payload": base64.b64encode(made.signed_payload).decode(),
                        "key_id": made.key_id,
                    }
                    await socket.send_multipart([b"optimizer.pool.trading", json.dumps(document).encode()])
