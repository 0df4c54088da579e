"""The two families of expected failure. Their text is a sentence for the person at the screen."""


class Refused(Exception):
    """Asking again changes nothing: the request itself has to change."""


class Unavailable(Exception):
    """Asking later may work. `retry_after` is in seconds, None where nobody knows."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
