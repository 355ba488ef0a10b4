"""What a hostile peer does to a DIMSE door, over and over until it is told to stop; loopback only, rate bounded.

`NAME PORT` attacks until standard input ends; the number of turns is the last line.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.attack.wire import CT, DEFLATED, HOST, Context, Peer, message, pdu, request, store_command, value
from tests.support.doors import slice_file

HALF_OPEN, DRIPPING, IDLE, CONTEXTS = 1_000, 100, 90, 10_000
BOMB_BYTES = 300_000_000
EVIL_UIDS = (
    "../../../../tmp/wetread-evil", "/etc/cron.d/wetread-evil", "1.2\0.3", "\0" * 8, "1." * 5_000 + "1", "1.02.3", "",
    "1.2.3\r\nX: y", "%2e%2e%2f", "1.2.3/../../x", "~/x", "CON", "\u0661.\u0662", "1..2", ".1", "-1.2", "1.2.3\\4.5.6",
)  # fmt: skip


@dataclass
class Attack:
    """One attack under way: it ends when `stop` is set."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    turns: int = 0

    def again(self, pause_s: float = 0.02) -> bool:
        """Whether to go on, after a pause that leaves the processor to the door."""
        self.turns += 1
        return not self.stop.wait(pause_s)


def half_open(attack: Attack) -> None:
    """1,000 connections that say nothing; those that are closed come again, 200 a second."""
    held: list[socket.socket] = []
    while attack.again(0.05):
        held = [s for s in held if _is_open(s)]
        for _ in range(min(HALF_OPEN - len(held), HALF_OPEN if attack.turns == 1 else 10)):
            with contextlib.suppress(OSError):
                held.append(socket.create_connection((HOST, attack.port), timeout=1))
    for one in held:
        one.close()


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        connection.recv(64, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False


def long_pdu(attack: Attack) -> None:
    """PDUs that claim 4 GB: instead of a request, and within an association."""
    while attack.again():
        with contextlib.suppress(OSError), Peer(attack.port, 2) as peer:
            if attack.turns % 2 and peer.associate(request()):
                peer.send(struct.pack(">BxL", 4, 0xFFFFFFFF) + bytes(100_000))
            else:
                peer.send(struct.pack(">BxL", 1, 0xFFFFFFFF) + bytes(100_000))
            peer.receive()


def slow_loris(attack: Attack) -> None:
    """100 connections that send a byte of their request now and then, 10 associations that do so with an image."""
    asked = request()
    held: list[tuple[Peer, bytes]] = []
    while attack.again(0.2):
        while len(held) < DRIPPING + 10:
            try:
                peer = Peer(attack.port, 2)
            except OSError:
                break
            if len(held) >= DRIPPING and peer.associate(asked):
                held.append((peer, value(store_command("1.2.3"), 3) + value(bytes(9_000), 0)))
            else:
                held.append((peer, asked))
        held = [(peer, rest[1:]) for peer, rest in held if _dripped(peer, rest)]
    for peer, _ in held:
        peer.connection.close()


def _dripped(peer: Peer, rest: bytes) -> bool:
    try:
        peer.send(rest[:1])
    except OSError:
        peer.connection.close()
        return False
    return bool(rest)


def many_contexts(attack: Attack) -> None:
    """10,000 presentation contexts, and as many as fit into what is read; ids as they come."""
    whole = request(Context(n) for n in range(CONTEXTS))
    fitting = request(Context(2 * n + 1, "1.2", "1.2") for n in range(4_500))
    while attack.again():
        with contextlib.suppress(OSError), Peer(attack.port, 2) as peer:
            peer.associate(whole if attack.turns % 2 else fitting)


def wrong_titles(attack: Attack) -> None:
    """Who calls somebody else, with titles of any characters."""
    names = ["OTHER", "", "../../etc", "\0\0", "WETREAD\\", "wetread", "A" * 16]
    while attack.again():
        with contextlib.suppress(OSError), Peer(attack.port, 2) as peer:
            assert not peer.associate(request(called=names[attack.turns % len(names)]))


def evil_uids(attack: Attack) -> None:
    """Paths, NUL, 10 KB and worse in place of each UID, in the command and in the dataset; without one none answers."""
    while attack.again():
        evil = EVIL_UIDS[attack.turns % len(EVIL_UIDS)]
        dataset = slice_file(1)
        dataset = dataset[dataset.index(b"\x08\0\x16\0") :]
        if len(evil) < 60:
            dataset = dataset.replace(b"1.2.826.1.1.1", evil.encode("utf-8", "replace").ljust(13, b"\0")[:13])
            dataset = dataset.replace(b"1.2.826.1.1", evil.encode("utf-8", "replace").ljust(11, b"\0")[:11])
        with contextlib.suppress(OSError), Peer(attack.port, 0.5) as peer:
            if peer.associate(request([Context(1), Context(3, evil[:60] or "1", evil[:60] or "1")])):
                peer.store(dataset, evil)
                peer.store(dataset, "1.2.3", evil)
                peer.store(dataset, f"1.2.3.{attack.turns}")


def deflate_bombs(attack: Attack) -> None:
    """300 MB of zeros in 300 KB, as an image that claims them, and as a header that never ends."""
    header = slice_file(1)
    header = header[header.index(b"\x08\0\x16\0") : header.index(b"\xe0\x7f\x10\0")]
    bombs = [_deflated(header + tail) for tail in (_PIXELS, _COMMENT)]
    while attack.again(0.2):
        with contextlib.suppress(OSError), Peer(attack.port, 10) as peer:
            if peer.associate(request([Context(1, CT, DEFLATED)])):
                # a byte behind its end makes each another object
                peer.store(bombs[attack.turns % 2] + struct.pack("<L", attack.turns), f"1.2.9.{attack.turns}")
                peer.release()


_PIXELS = b"\xe0\x7f\x10\0OW\0\0" + struct.pack("<L", BOMB_BYTES)
_COMMENT = b"\x28\0\x10\x30UN\0\0" + struct.pack("<L", BOMB_BYTES)


def _deflated(head: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = [packer.compress(head)]
    zeros = bytes(1_000_000)
    packed += [packer.compress(zeros) for _ in range(BOMB_BYTES // len(zeros))]
    return b"".join([*packed, packer.flush()])


def idle_associations(attack: Attack) -> None:
    """90 of the 100 associations that a door has, open and silent."""
    held: list[Peer] = []
    while attack.again(0.2):
        while len(held) < IDLE:
            peer = Peer(attack.port, 5)
            held.append(peer)
            if not peer.associate(request()):
                break
    for peer in held:
        peer.connection.close()


def endless_image(attack: Attack) -> None:
    """An image that never ends, as quickly as the door takes it, by four associations."""
    piece = value(bytes(100_000), 0)
    while attack.again():
        with contextlib.suppress(OSError), Peer(attack.port, 5) as peer:
            if peer.associate(request()):
                peer.send(value(store_command("1.2.3"), 3))
                while not attack.stop.wait(0.002):
                    peer.send(piece)


def garbage(attack: Attack) -> None:
    """Random PDUs, and good ones with random bytes, before and within an association."""
    chance = random.Random(attack.port)
    good = message(slice_file(1)[400:], "1.2.3")
    while attack.again():
        with contextlib.suppress(OSError), Peer(attack.port, 1) as peer:
            if chance.random() < 0.5:
                peer.associate(request())
            spoilt = bytearray(chance.choice((request(), good, pdu(chance.randrange(9), chance.randbytes(300)))))
            for _ in range(chance.randrange(8)):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
            peer.send(bytes(spoilt))
            peer.connection.settimeout(0.05)
            peer.receive()


ATTACKS: dict[str, Callable[[Attack], None]] = {
    "half-open connections": half_open,
    "PDU of 4 GB": long_pdu,
    "slow-loris": slow_loris,
    "10,000 contexts": many_contexts,
    "wrong AE titles": wrong_titles,
    "path and UID attacks": evil_uids,
    "deflate bombs": deflate_bombs,
    "idle associations": idle_associations,
    "endless image": endless_image,
    "garbage": garbage,
}
PARALLEL = {"endless image": 4}
"""How many of an attack run at once; 1 if not told."""


def main(name: str, port: int) -> int:
    """Attack; 1 where an attack failed itself, or had no right to go so far."""
    failed: list[threading.ExceptHookArgs] = []

    def keep(fault: threading.ExceptHookArgs) -> None:
        failed.append(fault)
        threading.__excepthook__(fault)

    threading.excepthook = keep
    attack = Attack(port)
    threads = [threading.Thread(target=ATTACKS[name], args=(attack,)) for _ in range(PARALLEL.get(name, 1))]
    for thread in threads:
        thread.start()
    print("attacking", flush=True)
    sys.stdin.read()
    attack.stop.set()
    for thread in threads:
        thread.join()
    print(attack.turns, flush=True)
    return min(len(failed), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
