"""Makes golden.txt with libsodium (pip install pynacl): what sealed texts are, by another implementation than ours."""

import base64
import hashlib

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt

ROWS = [
    (bytes(range(32)), bytes(range(24)), "DEFAULT", "rs", "access_token", "at"),
    (bytes(range(32)), bytes(24), "", "", "refresh_token", ""),
    (b"\xff" * 32, b"\x80" * 24, "tenant-7", "a:b/c#\u00e9\U0001f600", "refresh_token", "\u00e9 r\U0001f600"),
    (b"k" * 32, b"n" * 24, "DEFAULT", "groups.api.globus.org", "access_token", "x" * 1000),
]


def sealed(key, nonce, bound, text):
    name = hashlib.sha256(b"token-storage key id\0" + key).hexdigest()[:16]
    head = f"token-storage-sealed:1:{name}:"
    parts = [part.encode() for part in bound]
    associated = head.encode() + b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    data = nonce + encrypt(text.encode(), associated, nonce, key)
    return head + base64.urlsafe_b64encode(data).decode().rstrip("=")


print("# key | namespace | resource server | member | text | sealed text; made by golden.py")
for key, nonce, *bound, text in ROWS:
    print("|".join([base64.b64encode(key).decode(), *bound, text, sealed(key, nonce, bound, text)]))
