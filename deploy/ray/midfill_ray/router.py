"""Sends a document's requests to one replica, and to another one when that is hot."""

from ray.serve._private.request_router.common import PendingRequest
from ray.serve._private.request_router.replica_wrapper import RunningReplica
from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

from midfill_ray.bounded_load import HashRing

__all__ = ["BoundedLoadRouter"]


class BoundedLoadRouter(ConsistentHashRouter):  # type: ignore[misc]  # Ray is read untyped
    """Sends each ``session_id`` to one replica, unless that has too much to do.

    It replaces the choice of Ray's router, which does not look at loads.

    Its loads are those that it knows without asking: what it has sent itself, and what
    replicas have said with their answers. Several ingress replicas do not know of each
    other's requests between two answers, so the bound is a rough one there.
    """

    def initialize_state(self, *, knee: int, spread: float) -> None:
        """Begin with what `RequestRouterConfig.request_router_kwargs` holds.

        Args:
            knee: As of `HashRing.choose`.
            spread: As of `HashRing.choose`.
        """
        super().initialize_state(num_virtual_nodes=1)
        self._knee = knee
        self._spread = spread
        self._ring = HashRing(())

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """Return the replicas for a request, each a rank of its own, the best first.

        A session that ends with a dot and a number is an attempt after others have
        failed: it begins with a replica that those have not begun with.
        """
        replicas = {each.replica_id.unique_id: each for each in candidate_replicas}
        if not replicas:
            return []
        if pending_request is None:
            return [candidate_replicas]
        pending_request.routing_context.should_backoff = True
        if self._ring.replicas != replicas.keys():
            self._ring = HashRing(replicas)
        key, _, attempt = self._routing_key(pending_request).partition(".")
        ranked = self._ring.choose(
            key,
            lambda name: (
                self.replica_queue_len_cache.get(replicas[name].replica_id) or 0
            ),
            knee=self._knee,
            spread=self._spread,
        )
        failed = int(attempt or 0) % len(ranked)
        return [[replicas[name]] for name in (*ranked[failed:], *ranked[:failed])]
