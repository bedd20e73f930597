"""A language model behind the Groq API. The only importer of its SDK; loaded where there is a key."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import groq

from stratopt_server.advisor.bounded import PLAIN, read_only_so_far

TEMPERATURE = 0.0
TOKENS_MAX = 1_000_000_000
"""More cannot be a count of one answer."""
MALFORMED = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
"""What reading an answer of another shape raises: nested without end, no text, half a character ..."""


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer with what it cost."""

    text: str
    input_tokens: int
    output_tokens: int


class ModelTrouble(Exception):
    """The model gave no usable answer; the message says why, without a secret."""

    def __init__(self, why: str, answer: Completion | None = None) -> None:
        """`answer` is what it said nevertheless."""
        super().__init__(why)
        self.answer = answer


class Model(Protocol):
    """Answers one question."""

    @property
    def name(self) -> str:
        """Which model it is."""
        ...

    async def complete(self, system: str, user: str, *, as_json: bool) -> Completion:
        """Answer; raises ModelTrouble."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """How a model is reached, and how long and how much is waited for."""

    api_key: str
    base_url: str | None
    model: str
    timeout_seconds: float
    """For the whole call, tries included."""
    retries_max: int
    answer_bytes_max: int
    answer_tokens_max: int


class GroqModel:
    """The model named in the settings."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._client = groq.AsyncGroq(
            api_key=settings.api_key,
            base_url=settings.base_url,
            timeout=settings.timeout_seconds,
            max_retries=settings.retries_max,
            default_headers={"Accept-Encoding": PLAIN},
            http_client=groq.DefaultAsyncHttpxClient(event_hooks={"response": [read_only_so_far]}),
        )

    @property
    def name(self) -> str:
        """Which model it is."""
        return self._settings.model

    async def complete(self, system: str, user: str, *, as_json: bool) -> Completion:
        """Answer; raises ModelTrouble."""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                answer = await self._ask(system, user, as_json=as_json)
            size = len(answer.text.encode())
        except TimeoutError as error:
            raise ModelTrouble(f"no answer within {self._settings.timeout_seconds:g} s") from error
        except groq.APIStatusError as error:
            raise ModelTrouble(f"the API answered with status {error.status_code}") from error
        except groq.APIError as error:
            raise ModelTrouble(f"the API cannot be reached or understood ({type(error).__name__})") from error
        except MALFORMED as error:
            raise ModelTrouble("the API's answer is malformed") from error
        if size > self._settings.answer_bytes_max:
            most = self._settings.answer_bytes_max
            raise ModelTrouble(f"its answer has {size:,} bytes, at most {most:,}", answer)
        if not answer.text.strip():
            raise ModelTrouble("its answer is empty", answer)
        return answer

    async def _ask(self, system: str, user: str, *, as_json: bool) -> Completion:
        options: dict[str, Any] = {"response_format": {"type": "json_object"}} if as_json else {}
        found = await self._client.chat.completions.create(
            model=self._settings.model,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
            temperature=TEMPERATURE,
            max_tokens=self._settings.answer_tokens_max,
            **options,
        )
        text = found.choices[0].message.content
        if not isinstance(text, str):
            raise ValueError("no text")  # noqa: TRY004 - it is the API's fault, told as every other
        usage = found.usage
        return Completion(
            text,
            _tokens(getattr(usage, "prompt_tokens", 0)),
            _tokens(getattr(usage, "completion_tokens", 0)),
        )


def _tokens(count: object) -> int:
    """The API's own count, where it is one: the SDK does not check what it reads."""
    return count if type(count) is int and 0 <= count <= TOKENS_MAX else 0
