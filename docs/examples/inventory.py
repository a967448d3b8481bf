"""A small stock list, as somebody is writing it."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Item:
    """One line of the stock list."""

    name: str
    quantity: int
    price: float = 0.0


@dataclass
class Inventory:
    """All the items that are in stock."""

    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Add one item."""
        

    def total_value(self) -> float:
        """Return what all the items together are worth."""
        return sum(item.quantity * item.price for item in self.items)

    def find(self, name: str) -> Item | None:
        """Return the item of this name, or None."""
        for item in self.items:
            if 
                return item
        return None

    def remove(self, name: str) -> None:
        """Remove the item of this name."""
        self.items = [ for item in self.items if item.name != name]

    def save(self, path: Path) -> None:
        """Write the items to a JSON file."""
        with path.open("w") as file:
            json.dump([vars(item) for item in self.items], file)

    @classmethod
    def load(cls, path: Path) -> "Inventory":
        """Read the items from a JSON file."""
        with path.open() as file:
            data = 
        return cls([Item(**entry) for entry in data])
