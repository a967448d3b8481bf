"""A queue of waiting requests: by priority, and fair between the users of each.

It decides who is next and who has to give way; it knows no engine and no clock.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lsp_server.values import Priority

__all__ = ["FairQueue", "Ticket"]

_MOST_PASSED_OVER = 8
"""So often may a more urgent request go first before a less urgent one has its turn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticket:
    """One request's place in the queue; equal only to itself.

    Attributes:
        request_id: The request.
        user: Whose it is.
        priority: How urgent it is.
        latest_s: When it must not be scheduled any more, by the loop's clock; None if
            it may wait without end.
        turn: Done when the wait is over: True is its turn, False an abort, and an
            exception says why it will not be scheduled.
    """

    request_id: str
    user: str
    priority: Priority
    latest_s: float | None
    turn: asyncio.Future[bool]


Tickets = OrderedDict[Ticket, None]


@dataclass(slots=True, kw_only=True)
class _Line:
    """The tickets of one priority.

    Attributes:
        by_user: Those of each user, the oldest first; the user whose last turn is the
            longest ago first.
        length: All of them.
        passed_over: Turns of more urgent requests since the last one of this line.
    """

    by_user: OrderedDict[str, Tickets] = field(default_factory=OrderedDict)
    length: int = 0
    passed_over: int = 0

    def add(self, ticket: Ticket) -> None:
        self.by_user.setdefault(ticket.user, OrderedDict())[ticket] = None
        self.length += 1

    def discard(self, ticket: Ticket) -> bool:
        tickets = self.by_user.get(ticket.user)
        if tickets is None or ticket not in tickets:
            return False
        del tickets[ticket]
        self.length -= 1
        if not tickets:
            del self.by_user[ticket.user]
        return True

    def next_ticket(self, running: Mapping[str, int]) -> Ticket:
        """Return the oldest ticket of the user with the fewest running requests."""
        best, fewest = "", None
        # Those with running requests are at most as many as can run, so the search is
        # short whatever the number of users.
        for user in self.by_user:
            count = running.get(user, 0)
            if fewest is None or count < fewest:
                best, fewest = user, count
            if not count:
                break
        self.by_user.move_to_end(best)
        return next(iter(self.by_user[best]))

    def waiting_of(self, user: str) -> int:
        return len(self.by_user.get(user, ()))

    def longest(self) -> tuple[str, int]:
        """Return the user with the most waiting requests, and how many they are."""
        user = max(self.by_user, key=self.waiting_of, default="")
        return user, self.waiting_of(user)

    def newest_of(self, user: str) -> Ticket:
        return next(reversed(self.by_user[user]))


class FairQueue:
    """Waiting requests, the next one first.

    - The most urgent priority goes first. After eight such turns, a less urgent
      request that waited through all of them goes, so that none waits for ever.
    - Within a priority, the user with the fewest running requests goes first, and of
      several the one whose last turn is the longest ago. So a user's first request
      waits for at most one turn of each other user, whatever the others have queued.
    - A user's own requests go in their order of arrival.
    """

    def __init__(self) -> None:
        self._lines = {priority: _Line() for priority in Priority}
        self._of_user: Counter[str] = Counter()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Ticket]:
        for line in self._lines.values():
            for tickets in line.by_user.values():
                yield from tickets

    def add(self, ticket: Ticket) -> None:
        """Put a ticket behind its user's others."""
        self._lines[ticket.priority].add(ticket)
        self._of_user[ticket.user] += 1
        self._length += 1

    def discard(self, ticket: Ticket) -> None:
        """Take a ticket out; one that does not wait here is ignored."""
        if not self._lines[ticket.priority].discard(ticket):
            return
        self._length -= 1
        self._of_user[ticket.user] -= 1
        if not self._of_user[ticket.user]:
            del self._of_user[ticket.user]

    def pop(self, running: Mapping[str, int]) -> Ticket:
        """Take the next ticket out.

        Args:
            running: How many requests of each user are running.

        Raises:
            IndexError: None waits.
        """
        waiting = [line for line in self._lines.values() if line.length]
        if not waiting:
            raise IndexError("no request waits")
        overdue = (line for line in waiting if line.passed_over >= _MOST_PASSED_OVER)
        line = next(overdue, waiting[0])
        for other in waiting[waiting.index(line) + 1 :]:
            other.passed_over += 1
        line.passed_over = 0
        ticket = line.next_ticket(running)
        self.discard(ticket)
        return ticket

    def had_turn(self, user: str) -> None:
        """Put a user whose request has just ended behind the others."""
        for line in self._lines.values():
            if user in line.by_user:
                line.by_user.move_to_end(user)

    def waiting_of(self, user: str) -> int:
        """Return how many requests of a user wait, whatever their priority."""
        return self._of_user[user]

    def users_waiting(self, least_urgent: Priority) -> int:
        """Return how many users wait, down to a priority, each priority by itself."""
        return sum(
            len(line.by_user)
            for priority, line in self._lines.items()
            if priority <= least_urgent
        )

    def ahead_of(self, user: str, priority: Priority) -> int:
        """Return how many turns go before a request that this user would add."""
        line = self._lines[priority]
        own = line.waiting_of(user)
        others = len(line.by_user) - (own > 0)
        return self._more_urgent(priority) + min(line.length, others * (own + 1) + own)

    def ahead_of_newcomer(self, priority: Priority) -> int:
        """Return how many turns go before the request of a user who has none yet."""
        return self._more_urgent(priority) + len(self._lines[priority].by_user)

    def to_displace(self, user: str, priority: Priority) -> Ticket | None:
        """Return what gives way to a new request in a full queue; None for nothing.

        That is the newest of the least urgent ones. Of the same priority it is one of
        the user with the most waiting, if this user has fewer even with the new one.
        """
        for each in reversed(Priority):
            line = self._lines[each]
            longest, count = line.longest()
            least = 1 if each > priority else line.waiting_of(user) + 2
            if each >= priority and count >= least:
                return line.newest_of(longest)
        return None

    def _more_urgent(self, priority: Priority) -> int:
        return sum(self._lines[each].length for each in Priority if each < priority)
