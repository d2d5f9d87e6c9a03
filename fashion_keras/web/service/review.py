"""Review in the web application: the queue, built in the background, and decisions, appended to a file."""

import json
from concurrent.futures import Future
from threading import Lock
from typing import Any

from fashion_keras.analysis.review import ReviewSession
from fashion_keras.search.base import Index
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.review import build_review_queue
from fashion_keras.web.http.uploads import RequestError, clean_text
from fashion_keras.web.service.background import finished, in_background

_KEYS = ("id", "action", "to", "who")
_LONGEST = 500  # characters of a value


class Review:
    """The review session of an index; its queue is built in the background. Threads may share it."""

    def __init__(self, tagger: str | None, run: str | None, corrections: str | None) -> None:
        """Take the folders of a tagger and a run, and the file for decisions; None: there is no review."""
        self._sources = tagger, run, corrections
        self._lock = Lock()
        self._state = ""
        self._session: Future[ReviewSession] | None = None

    @property
    def is_open(self) -> bool:
        """Whether decisions can be made."""
        return self._sources[2] is not None

    def list_items(self, index: Index, kind: str | None, offset: int, limit: int) -> dict[str, Any]:
        """Return what is left to review; see `ReviewSession.items`."""
        session = self._current(index)
        progress = session.progress
        items = [item.to_dict() for item in session.items(kind, offset, limit)]
        return {"kinds": session.kinds, "items": items, "done": progress.done, "total": progress.total}

    def submit(self, index: Index, body: bytes) -> dict[str, int]:
        """Store a decision, {"id", "action", "to", "who"} as JSON; when this returns, it is on the disk."""
        decision = _parse(body)
        return vars(self._current(index).submit(**decision)).copy()

    def _current(self, index: Index) -> ReviewSession:
        """Return the session of the index as it is; RequestError 404 without one, 503 while its queue is built."""
        if not self.is_open:
            raise RequestError(404, "this server has no review: start it with --corrections FILE")
        with self._lock:
            if self._session is None or self._state != index.state():
                self._state = index.state()
                self._session = in_background(self._begin, index)
            session = self._session
        return finished(session, "the review queue", 3)

    def _begin(self, index: Index) -> ReviewSession:
        tagger, run, corrections = self._sources
        return ReviewSession(build_review_queue(index, tagger, run, corrections), corrections)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        decision = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("send a decision as a JSON object with id, action, to and who") from None
    given = {name for name, value in decision.items() if value is not None} if isinstance(decision, dict) else set()
    if not {"id", "action"} <= given or set(decision) - set(_KEYS):
        raise InputError("a decision is a JSON object with id, action, to and who")
    decision = {name: decision[name] for name in given}
    for name, value in decision.items():
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise InputError(f"{name} is a text of at most {_LONGEST} characters")
    return {name: clean_text(value) for name, value in decision.items()}
