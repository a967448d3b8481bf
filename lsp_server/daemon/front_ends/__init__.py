"""Front ends: several processes that serve a team's clients on one engine."""
