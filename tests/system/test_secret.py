# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The shared secret between two real servers (11.1): with it everything works as without; a wrong one, or
one on one side only, is told on both; what was recorded opens no door; and nobody ever sees it."""

import hashlib
import hmac
import json
import os
import re
import socket
import struct
import time

import pytest

from rig import agree, netns, pair as pairs, partner

SECRET = "sixteen clever cats on a wall"
OTHER = "seventeen other cats elsewhere"
DIGEST, REPEATED = 17, 4


def secret_file(made, name, content=SECRET + "\n", mode=0o600):
    """A file with a secret, beside a server's lease file."""
    path = getattr(made, name).path("secret")
    with open(path, "w", encoding="utf-8") as out:
        out.write(content)
    os.chmod(path, mode)
    return path


def verified(raw, secret=SECRET, bond=b""):
    """Whether a frame has the digest that the draft wants, computed by Python; `bond` goes before."""
    code, length, kind = struct.unpack("!HHB", raw[12:17])
    if code != DIGEST:
        return False
    blank = raw[:17] + bytes(length - 1) + raw[16 + length:]
    name = {1: "md5", 2: "sha256"}[kind]
    return hmac.digest(secret.encode(), bond + blank, name) == raw[17:16 + length]


def nowhere(made, *secrets):
    """The secret is in no log, no answer, and nothing that a process printed; but for Kea itself, which
    writes the commands that it receives, arguments and all, into its log for debugging (and calls the
    loading of its file one)."""
    for server in (made.s1, made.s2):
        texts = [server.log(), server.log_tail(10 ** 6)]
        texts += [json.dumps(server.ask(name)) for name in (
            "config-get", "failover-status-get", "status-get", "config-write")]
        for text in texts:
            found = [line[:200] for line in text.splitlines()
                     if any(secret in line for secret in secrets) and
                     "DHCP4_COMMAND_RECEIVED received command config-" not in line]
            assert not found


def test_with_a_secret(pair_of):
    """One server has it in its parameters, the other in a file: both reach NORMAL, leases flow, an
    interruption ends; all frames are signed; and what config-get and config-write make of it."""
    made = pair_of(proxy=True, hook={"secret": SECRET}, lifetime=1800)
    made.hook_sides["s2"] = {"secret": None, "secret-file": secret_file(made, "s2")}
    made.s2.configure(made.config_of("s2"))
    for server in (made.s1, made.s2):       # all that Kea can log
        server.config["loggers"][0].update(severity="DEBUG", debuglevel=99)
        server.configure(server.config)
    made.proxy.record()
    made.start(wait="NORMAL")
    agree.acknowledged(made.clients.do_range("discover", 1, 60))
    agree.settled(made)
    frames = list(made.proxy.recorded)
    assert all(raw[12:14] == b"\0\x11" and raw[16] == 2 for _way, raw in frames)
    connect, answer = (next(raw for _way, raw in frames if raw[2] == kind)
                       for kind in (partner.CONNECT, partner.CONNECTACK))
    assert verified(connect) and verified(answer)
    nonces = partner.nonce_of(answer)
    assert nonces[:16] == partner.nonce_of(connect)
    for way, raw in frames:
        if raw[2] not in (partner.CONNECT, partner.CONNECTACK):
            assert verified(raw, bond=(b"\1" if way == "right" else b"\2") + nonces)
    assert made.s1.failover()["parameters"]["digest"] == "hmac-sha256"
    made.proxy.cut()
    made.wait_state("NORMAL", 10)

    written = made.s1.path("written.json")          # the secret is kept, though nobody shows it
    made.s1.command("config-write", {"filename": written})
    shown = made.s1.command("config-get")
    hook = shown["Dhcp4"]["hooks-libraries"][-1]["parameters"]["high-availability"][0]
    assert hook["secret"] == "*****"
    with open(written, encoding="utf-8") as text:
        assert SECRET in text.read()
    refused = made.s1.ask("config-test", {"Dhcp4": shown["Dhcp4"]})
    assert refused["result"] == 1 and "what config-get shows" in refused["text"]
    assert made.s1.command("config-get")["Dhcp4"] == shown["Dhcp4"]
    made.s1.command("config-reload")        # config-get has not spoilt what is in force
    assert made.s1.failover()["connected"]
    nowhere(made, SECRET)
    assert SECRET not in made.s2.log()      # from a file it does not get even there


def test_change(pair_of):
    """Another digest, then another secret, on one server after the other while they run: refused in
    between, told on both sides, and connected at once when both have it."""
    made = pair_of(hook={"secret": SECRET}).start(wait="NORMAL")
    for count, change in enumerate(({"secret": SECRET, "digest": "hmac-md5"}, {"secret": OTHER}), 1):
        made.hook = change
        made.s1.reload(made.config_of("s1"))
        for server in (made.s1, made.s2):
            server.wait_log("FAILOVER_NOT_AUTHENTIC", 8, count=count)
        made.s2.reload(made.config_of("s2"))
        made.wait_state("NORMAL", 8)
        agree.acknowledged(made.clients.do_range("discover", 20 * count, 20 * count + 9))
        agree.settled(made)
    assert made.s2.failover()["parameters"]["digest"] == "hmac-sha256"
    nowhere(made, SECRET, OTHER)


WRONG = {       # the secrets of s1 and s2, and what each of them says
    "wrong": (SECRET, OTHER, "the digest of CONNECTACK is wrong: the secrets", "CONNECT is wrong"),
    "only s1": (SECRET, None, "CONNECTACK is not signed, but a secret is configured",
                "CONNECT is signed, but no secret is configured"),
    "only s2": (None, SECRET, "CONNECTACK is signed, but no secret is configured",
                "CONNECT is not signed, but a secret is configured"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong(pair_of, case):
    """Both servers say what is wrong and what to do, in the log and in the status; they do not connect,
    and connect as soon as both have the same."""
    one, two, *texts = WRONG[case]
    made = pair_of(hook_s1={"secret": one}, hook_s2={"secret": two})
    for server in (made.s1, made.s2):   # one after the other: a line may be lost while Kea opens its log
        server.start()
    for server, text in zip((made.s1, made.s2), texts):
        server.wait_log("FAILOVER_NOT_AUTHENTIC", 10)
        found = re.search(r"FAILOVER_NOT_AUTHENTIC s1-s2: a message in the name of partner s[12] is "
                          r"not authentic: (.*)", server.log())
        assert text in found[1], found[1]
        server.wait_status(lambda status, text=text: text in (status["last-error"] or ""), 5)
        assert not server.failover()["connected"]
        assert "FAILOVER_CONNECTED" not in server.log()
    nowhere(made, SECRET, OTHER)
    made.hook_sides = {"s1": {"secret": SECRET}, "s2": {"secret": SECRET}}
    for server, name in ((made.s1, "s1"), (made.s2, "s2")):
        server.reload(made.config_of(name))
    made.wait_state("NORMAL", 10)


def connect_to_s2(made, patience=5):
    """From where its primary would be; just started, it answers commands a moment before it listens."""
    deadline = time.monotonic() + patience
    while True:
        channel = netns.socket_in(made.proxy.namespace, socket.AF_INET, socket.SOCK_STREAM)
        channel.settimeout(5)
        try:
            channel.bind((made.peers["s2"]["s1"], 0))
            channel.connect((made.peers["s2"]["s2"], 647))
            return channel
        except ConnectionRefusedError:
            channel.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def repeat(made, frames):
    """Says recorded frames to s2; what it answers, [(type, reason)]."""
    with connect_to_s2(made) as channel:
        answers = b""
        try:
            channel.sendall(b"".join(frames))
            while data := channel.recv(1 << 16):
                answers += data
        except ConnectionError:
            pass
    said = []
    while answers:
        length = struct.unpack("!H", answers[:2])[0]
        message = partner.Message(answers[:length])
        said.append((message.kind, message.options.get(partner.REASON, b"\0")[0]))
        answers = answers[length:]
    return said


def test_recording(pair_of):
    """All that a primary said in a connection is said again: while it is connected, after the secondary
    was killed, and to a secondary that has lost its store. It changes nothing anywhere."""
    made = pair_of(proxy=True, hook={"secret": SECRET}, mclt=10)
    made.proxy.record()
    made.start(wait="NORMAL")
    agree.acknowledged(made.clients.do_range("discover", 1, 20))
    agree.settled(made)
    frames = [raw for way, raw in made.proxy.recorded if way == "right"]
    while frames[0][2] != partner.CONNECT:
        frames.pop(0)
    before = made.s2.leases()

    assert repeat(made, frames) == [(partner.CONNECTACK, REPEATED)]
    made.s2.wait_log("FAILOVER_CONNECT_REPEATED s1-s2: a connection in the name of partner s1", 3)
    assert made.s2.failover()["connected"] and made.s2.log().count("FAILOVER_CONNECTED") == 1

    made.proxy.cut(refuse=True)
    made.s2.kill9()
    made.s2.start()
    assert repeat(made, frames) == [(partner.CONNECTACK, REPEATED)]
    assert not made.s2.failover()["connected"]
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", 10)

    made.s2.kill9()
    os.unlink(made.s2.path("kea-leases4.csv.failover"))
    made.s2.start()
    first, *_state, last = repeat(made, frames)     # CONNECT is new to it: but no more than that
    assert first == (partner.CONNECTACK, 0) and last == (partner.DISCONNECT, 20)
    made.s2.wait_log("the digest of STATE is wrong", 3)
    assert made.s2.failover()["partner-state-code"] == 0
    assert made.s2.leases() == before
    made.proxy.allow()
    made.wait_state("NORMAL", 90)
    agree.settled(made)


def test_warnings(pair_of):
    """A secret that is short, and one that everybody may read; and what is refused."""
    made = pair_of(hook_s1={"secret": "short"})
    made.hook_sides["s2"] = {"secret-file": secret_file(made, "s2", "short", 0o644)}
    made.s2.configure(made.config_of("s2"))
    made.start(wait="NORMAL")
    for server in (made.s1, made.s2):
        server.wait_log("FAILOVER_CONFIG_WARNING s1-s2: the secret has less than 16 bytes", 3)
    assert "may be read or changed by any user" in made.s2.log()
    assert "may be read or changed by any user" not in made.s1.log()
    for change, text in (({"secret": ""}, "secret: is not allowed so"),
                         ({"secret": SECRET, "secret-file": "/x"}, "beside secret-file"),
                         ({"secret": None, "secret-file": "/nowhere"}, "No such file"),
                         ({"digest": "crc32"}, "must be hmac-sha256, or hmac-md5"),
                         ({"secret": None, "digest": "hmac-md5"}, "nothing would be signed"),
                         ({"secret": None, "password": SECRET}, "unknown key")):
        config = pairs.merge(made.s1.config, {})
        hook = config["hooks-libraries"][-1]["parameters"]["high-availability"]
        hook[0] = pairs.merge(hook[0], change)
        for command in ("config-test", "config-set"):
            answer = made.s1.ask(command, {"Dhcp4": config})
            assert answer["result"] == 1 and text in answer["text"], (change, answer)
            assert SECRET not in answer["text"]
    assert made.s1.failover()["connected"]
    assert SECRET not in made.s1.log()
