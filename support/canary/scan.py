"""Looks for tokens in texts, however they are spelled: `scan.py FILE...`, or `scan.py --self-test`.

The authorization server for tests makes tokens and codes that nothing else looks like: a prefix and 32 hexadecimal digits, and
id_tokens, which are JWTs. They are looked for as they are, percent-encoded, escaped, backwards, in hexadecimal digits, and in
base64 of either alphabet at each alignment. Prints where, never what. Ends with 1 if there is any.
"""

import base64
import re
import sys
import urllib.parse

TOKEN = re.compile(rb"\b(?:at|rt|code)-[0-9a-f]{32}|eyJ[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}")
BACKWARDS = re.compile(rb"[0-9a-f]{32}-(?:ta|tr|edoc)\b")
# The last ones may share a group of base64 with what comes after them.
BARE = re.compile(rb"(?:at|rt|code)-[0-9a-f]{24}")
HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){30,}")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{40,}")


def decoded(run):
    """What a run of base64 may stand for: it may begin anywhere in it."""
    run = run.replace(b"-", b"+").replace(b"_", b"/")
    for start in range(4):
        part = run[start:]
        yield base64.b64decode(part[: len(part) // 4 * 4])


def spelled(line):
    """How a token is in this line, if one is."""
    if TOKEN.search(line):
        return "as it is"
    if b"%" in line and TOKEN.search(urllib.parse.unquote_to_bytes(line)):
        return "percent-encoded"
    if b"\\" in line and TOKEN.search(re.sub(rb"\\u00([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})", lambda m: bytes.fromhex((m[1] or m[2]).decode()), line)):
        return "escaped"
    if BACKWARDS.search(line):
        return "backwards"
    for run in HEX.findall(line):
        if any(BARE.search(bytes.fromhex(run[start : start + (len(run) - start) // 2 * 2].decode())) for start in (0, 1)):
            return "in hexadecimal digits"
    if any(BARE.search(text) for run in BASE64.findall(line) for text in decoded(run)):
        return "in base64"
    return None


def self_test():
    token = b"at-0123456789abcdef0123456789abcdef"
    jwt = b".".join(base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"1"}').rstrip(b"=") for _ in range(3))
    spellings = [token, jwt, token[::-1], token.hex().encode(), token.hex().upper().encode()]
    spellings += [b"".join(b"%%%02X" % byte for byte in token), b"".join(b"\\u%04x" % byte for byte in token)]
    for shift in range(3):
        spellings.append(base64.b64encode(b"x" * shift + token))
        spellings.append(base64.urlsafe_b64encode(b"\xff" * shift + token).rstrip(b"="))
    for text in spellings:
        assert spelled(b"x = " + text + b";"), text
    for text in [token[:20], b"a" * 64, b"deadbeef" * 16, b"eyJhbGciOiJSUzI1NiJ9", bytes(range(32, 127))]:
        assert not spelled(text), text


def main(paths):
    self_test()
    lines = hits = 0
    for path in paths:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                lines += 1
                how = spelled(line)
                if how:
                    hits += 1
                    print(f"{path}:{number}: a token, {how}", file=sys.stderr)
    print(f"{lines} lines, {hits} tokens")
    return 1 if hits or not lines else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main(sys.argv[1:]))
