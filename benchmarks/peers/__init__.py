"""One file a tool. PEERS holds them in the order of the report; migrate-flow itself is not among them."""

from benchmarks.peers import alembic, dbmate, liquibase, sqitch, yoyo
from benchmarks.peers.peer import Peer

PEERS: tuple[Peer, ...] = (alembic.PEER, sqitch.PEER, liquibase.PEER, yoyo.PEER, dbmate.PEER)
