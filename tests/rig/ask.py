# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Send one command to a Kea control socket and print the answer.

Usage: python3 -m rig.ask SOCKET COMMAND [ARGUMENTS-AS-JSON]
"""

import json
import socket
import sys


def main(path, name, arguments=None):
    """Returns 0 if Kea says that it went well."""
    text = {"command": name}
    if arguments:
        text["arguments"] = json.loads(arguments)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(path)
        channel.sendall(json.dumps(text).encode())
        channel.shutdown(socket.SHUT_WR)
        answer = b""
        while data := channel.recv(1 << 16):
            answer += data
    answer = json.loads(answer)
    print(json.dumps(answer, indent=2))
    return 0 if answer.get("result") in (0, 3) else 1


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as wrong:
        sys.exit(f"no server answers at {sys.argv[1]}: {wrong.strerror}")
    except ValueError as wrong:
        sys.exit(f"no JSON: {wrong}")
