"""Which line each of very many ids stood on, in little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice


class LineNumbers:
    """The line of each id, as the places where a run of consecutive lines begins: few, where few lines are left out."""

    MOST = 50_000

    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []
        self.next = (0, 1)

    def new(self, place: int, number: int) -> None:
        if len(self.runs) < self.MOST and number - place != self.next[1] - self.next[0]:
            self.runs.append((place, number))
            self.next = (place, number)

    def all_new(self, place: int, numbers: Sequence[int]) -> None:
        """Of many that stand on consecutive lines only the first has to be looked at."""
        if numbers and list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
            self.new(place, numbers[0])
        else:
            for at, number in enumerate(numbers, place):
                self.new(at, number)

    def some_new(
        self, ids: Mapping[str, None], known: int, numbers: Sequence[int], words: Sequence[str]
    ) -> None:
        fresh = dict(zip(reversed(words), reversed(numbers), strict=True))
        for place, word in enumerate(islice(ids, known, None), known):
            self.new(place, fresh[word])

    @property
    def kept(self) -> list[tuple[int, int]]:
        """Nothing where there were so many that they are not worth keeping: then ids are told by their place."""
        return self.runs if len(self.runs) < self.MOST else []
