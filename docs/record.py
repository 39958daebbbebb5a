#!/usr/bin/env python3
"""Records a session of the command as an SVG, for the README: docs/record.py PROGRAM > docs/session.svg

The commands are real and run in a new home; what is random or a time is what it was when it was recorded. It needs nothing but
Python 3, loads nothing, and is light or dark as its reader's screen is."""

import html
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SESSION = [
    "token-storage store examples/token-response.json",
    "token-storage list",
    "token-storage get groups.api.globus.org",
    "token-storage exec --rs groups.api.globus.org -- sh -c 'echo ${#TOKEN_STORAGE_ACCESS_TOKEN} letters'",
    "token-storage doctor",
]
WIDTH, LINE, LETTER = 106, 18, 8.4


def lines_of(program):
    with tempfile.TemporaryDirectory() as home:
        folder = pathlib.Path(home, "bin")
        folder.mkdir()
        (folder / "token-storage").symlink_to(pathlib.Path(program).resolve())
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": home, "TZ": "UTC"}
        for command in SESSION:
            yield "prompt", f"$ {command}"
            done = subprocess.run(
                command, shell=True, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            if done.returncode != 0:
                sys.exit(f"{command}: ended with {done.returncode}: {done.stdout}")
            for line in done.stdout.replace(home, "~").splitlines():
                while line:
                    yield "output", line[:WIDTH]
                    line = line[WIDTH:]


def svg(lines):
    height = LINE * (len(lines) + 2)
    width = int(LETTER * WIDTH + 40)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        "<title>A session of the command token-storage: a token is stored, listed, shown without its secrets, and used</title>",
        "<style>rect{fill:#f6f8fa}text{font:14px monospace;fill:#1f2328;white-space:pre}.prompt{font-weight:bold;fill:#0550ae}"
        "@media(prefers-color-scheme:dark){rect{fill:#161b22}text{fill:#e6edf3}.prompt{fill:#79c0ff}}</style>",
        f'<rect width="{width}" height="{height}" rx="8"/>',
    ]
    for number, (kind, line) in enumerate(lines):
        y = LINE * (number + 1) + 10
        out.append(f'<text class="{kind}" x="20" y="{y}" xml:space="preserve">{html.escape(line)}</text>')
    return "\n".join(out + ["</svg>", ""])


sys.stdout.write(svg(list(lines_of(sys.argv[1]))))
