"""Distances between stations, with names as they are written there."""

import math

STATIONS = {
    "Zürich": (47.3779, 8.5403),
    "Genève": (),
    "東京": (35.6812, 139.7671),
}


def distance(start: str, end: str) -> float:
    """Return the distance between two stations in kilometres."""
    lat1, lon1 = map(math.radians, STATIONS[start])
    lat2, lon2 = map(math.radians, STATIONS[])
    dlat = lat2 - lat1
    dlon = lon2 - lon1
    a = math.sin(dlat / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 6371.0 * 2 * math.asin(math.sqrt(a))


def nearest(name: str) -> str:
    """Return the station nearest to this one."""
    others = [station for station in STATIONS if station != name]
    return min(others, key=lambda station: distance(name, station))


def main() -> None:
    """Print the distances."""
    for name in ("Zürich", "東京"):
        print(f"🚄 {name}", nearest(name))


if __name__ == "__main__":
    main()
