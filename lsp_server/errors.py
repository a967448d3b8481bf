"""Everything that can go wrong in Midfill, as one tree.

::

    MidfillError
    ├── UnavailableError            the requested part is not installed
    ├── ConfigError                 a setting is unknown or of the wrong type
    ├── ModelError
    │   ├── ModelNotFoundError      no such model folder, or no manifest in it
    │   ├── ModelIntegrityError     a file is missing, truncated or changed
    │   ├── UnsafeModelError        pickle, code, path escape, or not signed
    │   └── UnsupportedModelError   no FIM tokens, unknown family, wrong format
    ├── EngineError
    │   ├── EngineStartError        the engine cannot start: memory, device, kernel
    │   ├── RequestRejectedError    the engine refused this request; the next may pass
    │   ├── GenerationError         this generation failed; the engine lives
    │   ├── EngineDeadError         the engine process is gone
    │   └── OverloadedError         too much is asked for: it was not scheduled
    │       ├── UserOverloadedError     too much of it by this one user
    │       └── DeadlinePassedError     it waited until its time was over
    ├── DocumentError
    │   ├── UnknownDocumentError    the editor never opened it
    │   ├── PositionError           a reversed or impossible range
    │   └── StaleChangeError        a change with an old version
    ├── AccessError                 a client may not do what it asks for
    │   ├── NotAuthenticatedError   no key was sent, or one that does not hold
    │   ├── NotAllowedError         this key, host or origin may not do this
    │   └── QuotaError              a limit of the key is reached for now
    ├── KeyFileError                a file of keys cannot be used
    ├── PromptError                 a prompt cannot be taken as it is
    │   └── PromptTooLongError      it does not fit into the model
    ├── QuantizeError               a checkpoint cannot be quantised
    ├── RegistryError               the registry is wrong, or lacks a model
    ├── PullError                   a model cannot be fetched or stored
    │   └── BrokenOffError          the source broke off; asking again may go on
    ├── CorpusError                 a training corpus cannot be built
    ├── TrainingError               a model cannot be trained
    ├── EvaluationError             a model cannot be measured
    ├── DaemonError                 the daemon cannot be reached, started or trusted
    └── ClientError                 the headless client lost its server
        └── AnswerError             one request failed; the next may pass

Each one says what happened, to what, and what to do about it. A cancelled or
superseded request is not an error and has no class here.
"""

__all__ = [
    "AccessError",
    "AnswerError",
    "BrokenOffError",
    "ClientError",
    "ConfigError",
    "CorpusError",
    "DaemonError",
    "DeadlinePassedError",
    "DocumentError",
    "EngineDeadError",
    "EngineError",
    "EngineStartError",
    "EvaluationError",
    "GenerationError",
    "KeyFileError",
    "MidfillError",
    "ModelError",
    "ModelIntegrityError",
    "ModelNotFoundError",
    "NotAllowedError",
    "NotAuthenticatedError",
    "OverloadedError",
    "PositionError",
    "PromptError",
    "PromptTooLongError",
    "PullError",
    "QuantizeError",
    "QuotaError",
    "RegistryError",
    "RequestRejectedError",
    "StaleChangeError",
    "TrainingError",
    "UnavailableError",
    "UnknownDocumentError",
    "UnsafeModelError",
    "UnsupportedModelError",
    "UserOverloadedError",
]


class MidfillError(Exception):
    """The root of the tree.

    Args:
        what: What happened, as a clause; a full stop at its end is left out.
        subject: The file, key, document or request that it happened to.
        remedy: What the reader can do about it, as a clause; empty where ``what``
            says it already.
    """

    def __init__(self, what: str, *, subject: str, remedy: str) -> None:
        """Keep the three parts, and join them into the message."""
        what, remedy = _without_full_stop(what), _without_full_stop(remedy)
        advice = f" {remedy[:1].upper()}{remedy[1:]}." if remedy else ""
        super().__init__(f"{subject}: {what}.{advice}")
        self.what = what
        self.subject = subject
        self.remedy = remedy


class UnavailableError(MidfillError):
    """The requested part is not installed."""


class ConfigError(MidfillError):
    """A setting is unknown, of the wrong type, or out of range."""


class ModelError(MidfillError):
    """A model folder cannot be used."""


class ModelNotFoundError(ModelError):
    """There is no model folder of this name, or no manifest in it."""


class ModelIntegrityError(ModelError):
    """A file of the model is missing, truncated, or not the one that was shipped."""


class UnsafeModelError(ModelError):
    """The model could run code or reach outside, or nobody trusted has signed it."""


class UnsupportedModelError(ModelError):
    """The model is whole, but Midfill cannot complete code with it."""


class EngineError(MidfillError):
    """The inference engine failed."""


class EngineStartError(EngineError):
    """The engine could not start.

    Args:
        what, subject, remedy: As of any error.
        lasting: Whether another start would fail as well, unless the user does
            something about it.
    """

    def __init__(
        self, what: str, *, subject: str, remedy: str, lasting: bool = False
    ) -> None:
        super().__init__(what, subject=subject, remedy=remedy)
        self.lasting = lasting


class RequestRejectedError(EngineError):
    """The engine refused one request; others are not affected."""


class GenerationError(EngineError):
    """One generation failed; the engine lives on."""


class EngineDeadError(EngineError):
    """The engine process is gone; nothing works until it is started again."""


class OverloadedError(EngineError):
    """A request was not scheduled, because too much is asked for or the server ends.

    Args:
        what, subject, remedy: As of any error.
        retry_after_s: When another attempt is worth while, in seconds from now.
    """

    def __init__(
        self, what: str, *, subject: str, remedy: str, retry_after_s: float
    ) -> None:
        super().__init__(what, subject=subject, remedy=remedy)
        self.retry_after_s = retry_after_s


class UserOverloadedError(OverloadedError):
    """A request was not scheduled, because its user has too many waiting already."""


class DeadlinePassedError(OverloadedError):
    """A request was not scheduled, because its time was over before its turn."""


class DocumentError(MidfillError):
    """The editor's document and the server's do not agree."""


class UnknownDocumentError(DocumentError):
    """The editor names a document that it never opened."""


class PositionError(DocumentError):
    """A range is reversed, or a position does not exist."""


class StaleChangeError(DocumentError):
    """A change has a version that is not newer than the server's."""


class AccessError(MidfillError):
    """A client may not do what it asks for; others are not affected."""


class NotAuthenticatedError(AccessError):
    """The client sent no API key, or one that does not exist or was revoked."""


class NotAllowedError(AccessError):
    """The client's key, host or origin is not allowed to do this."""


class QuotaError(AccessError):
    """A limit of the client's key is reached; later it is not.

    Args:
        what, subject, remedy: As of any error.
        retry_after_s: After how many seconds the same request may pass.
    """

    def __init__(
        self, what: str, *, subject: str, remedy: str, retry_after_s: float
    ) -> None:
        super().__init__(what, subject=subject, remedy=remedy)
        self.retry_after_s = retry_after_s


class KeyFileError(MidfillError):
    """A file of API keys, or of a signing key, cannot be read, written, or trusted."""


class PromptError(MidfillError):
    """A prompt cannot be taken as the client sent it."""


class PromptTooLongError(PromptError):
    """A prompt, or prompt and output together, do not fit into the model."""


class QuantizeError(MidfillError):
    """A checkpoint cannot be quantised."""


class RegistryError(MidfillError):
    """The registry of models is invalid, or has no model of this name."""


class PullError(MidfillError):
    """A model cannot be fetched or stored: network, store, disk, or content."""


class BrokenOffError(PullError):
    """The source broke off in the middle of its content; asking again may go on."""


class CorpusError(MidfillError):
    """A training corpus cannot be built of these sources."""


class TrainingError(MidfillError):
    """A model cannot be trained: its configuration, corpus or checkpoint is wrong."""


class EvaluationError(MidfillError):
    """A model cannot be measured: data, options or sandbox are wrong."""


class DaemonError(MidfillError):
    """The daemon cannot be reached, started or trusted."""


class ClientError(MidfillError):
    """The headless client could not get an answer from its server."""


class AnswerError(ClientError):
    """The server answered one request with an error; the next one may pass.

    Args:
        what, subject, remedy: As of any error.
        code: JSON-RPC's code of the error.
    """

    def __init__(self, what: str, *, subject: str, remedy: str, code: int) -> None:
        """Keep the code beside the three parts."""
        super().__init__(what, subject=subject, remedy=remedy)
        self.code = code


def _without_full_stop(text: str) -> str:
    """Remove one full stop at the end; the message adds its own."""
    return text if text.endswith("..") else text.removesuffix(".")
