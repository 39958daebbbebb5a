#!/usr/bin/env python3
"""How many Globus groups you have. The token comes from the command `token-storage`, as credential processes hand them out:
it is refreshed if need be, once for all programs that ask, and after a 401 another one is had."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

API = "groups.api.globus.org"
URL = os.environ.get("GROUPS_URL", f"https://{API}/v2/groups/my_groups")


def token(rejected=None):
    """A valid token, another one than `rejected`."""
    command = ["token-storage", "access-token", API]
    if rejected:
        command += ["--rejected", "-"]
    # What went wrong, and what helps, the command says on standard error.
    done = subprocess.run(command, input=rejected, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout.strip()


def get(bearer):
    request = urllib.request.Request(URL, headers={"Authorization": f"Bearer {bearer}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


first = token()
try:
    groups = get(first)
except urllib.error.HTTPError as error:
    if error.code != 401:
        raise
    groups = get(token(rejected=first))
print(len(groups), "groups")
