"""Decisions, wired."""

import importlib.util
import time

from stratopt_server.advisor.breaker import Breaker
from stratopt_server.advisor.rules import RuleAdvisor
from stratopt_server.decisions.documents import load_policies
from stratopt_server.decisions.signing import SigningKey
from stratopt_server.domain.advice import Advisor
from stratopt_server.domain.clock import Clock, Ids
from stratopt_server.jobs.launcher import ProcessLauncher
from stratopt_server.settings import Settings
from stratopt_server.storage.sql import SqlStorage
from stratopt_server.strategies.catalog import Catalog
from stratopt_server.usecases.advising import Advising
from stratopt_server.usecases.approvals import Approvals
from stratopt_server.usecases.idempotency import Repeats
from stratopt_server.usecases.jobs import Jobs
from stratopt_server.usecases.packaging import Packaging
from stratopt_server.usecases.policies import Policies
from stratopt_server.usecases.reviews import Reviews
from stratopt_server.usecases.revoking import Revoking
from stratopt_server.usecases.seals import SealedHoldouts
from stratopt_server.usecases.slices import SliceFinder
from stratopt_server.usecases.threads import StorageThread


class Desk:
    """Everything about decisions, wired."""

    def __init__(
        self,
        settings: Settings,
        storage: SqlStorage,
        jobs: Jobs,
        *,
        launcher: ProcessLauncher,
        slices: SliceFinder,
        catalog: Catalog,
        repeats: Repeats,
        thread: StorageThread,
        clock: Clock,
        ids: Ids,
    ) -> None:
        policies = open_policies(settings)
        self.key = SigningKey.open(settings.signing_key_path)
        packaging = Packaging(storage, key=self.key, catalog=catalog)
        self.seals = SealedHoldouts(
            storage, slices, launcher, repeats=repeats, thread=thread, clock=clock, ids=ids
        )
        self.approvals = Approvals(
            storage,
            jobs,
            gatherer=launcher,
            policies=policies,
            packaging=packaging,
            seals=self.seals,
            repeats=repeats,
            thread=thread,
            clock=clock,
            ids=ids,
        )
        self.reviews = Reviews(storage, packaging, policies, repeats=repeats, clock=clock)
        self.revoking = Revoking(storage, self.key, repeats=repeats, clock=clock)
        self.advising = Advising(
            storage, make_advisor(settings), catalog, repeats=repeats, thread=thread, clock=clock, ids=ids
        )


def make_advisor(settings: Settings) -> Advisor:
    """By rules; with a key, by a model whose answers are checked. Its SDK is loaded only then."""
    rules = RuleAdvisor()
    key = settings.groq_api_key.get_secret_value()
    if not key:
        return rules
    if importlib.util.find_spec("groq") is None:
        raise AdvisorAbsent(
            "STRATOPT_GROQ_API_KEY is set and groq is not installed: 'stratopt[advisor]' has it"
        )
    from stratopt_server.advisor.checked import CheckedAdvisor  # noqa: PLC0415 - loads the SDK
    from stratopt_server.advisor.model import GroqModel, ModelSettings  # noqa: PLC0415 - likewise

    model = GroqModel(
        ModelSettings(
            api_key=key,
            base_url=settings.advisor_base_url or None,
            model=settings.advisor_model,
            timeout_seconds=settings.advisor_timeout_seconds,
            retries_max=settings.advisor_retries_max,
            answer_bytes_max=settings.advisor_answer_bytes_max,
            answer_tokens_max=settings.advisor_answer_tokens_max,
        )
    )
    breaker = Breaker(settings.advisor_breaker_failures, settings.advisor_breaker_seconds, time.monotonic)
    return CheckedAdvisor(model, rules, breaker)


class AdvisorAbsent(ValueError):
    """A key is set for a model whose SDK is not installed."""


class UnknownPolicy(ValueError):
    """The setting names a policy that there is not."""


def open_policies(settings: Settings) -> Policies:
    """Read the policies; raises PolicyFault, or UnknownPolicy for a setting that names none of them."""
    known = load_policies(settings.policies_dir)
    if settings.policy not in known:
        raise UnknownPolicy(f"STRATOPT_POLICY={settings.policy}: there are {', '.join(known)}")
    return Policies(known, settings.policy, settings.hard_gates_may_loosen)
