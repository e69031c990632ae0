# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a command whose stdout and stderr are a terminal of so many columns, and writes to stdout what that received.

    on_terminal.py COLUMNS COMMAND...
"""
import fcntl
import os
import pty
import struct
import sys
import termios

child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("4H", 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        received = os.read(terminal, 65536)
    except OSError:
        break
    if not received:
        break
    sys.stdout.buffer.write(received)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
