"""Which values of a key are withheld from an app: by their hash, so the same in each attempt. Pure."""

import hashlib


def is_withheld(key: str, share_percent: int, seed: str) -> bool:
    """Whether a value of the key is withheld.

    Args:
        key: the value, as a text.
        share_percent: how many are, 1 to 99.
        seed: what the draw depends on.

    Returns:
        True where the first eight bytes of SHA-256 of seed, a zero byte and the key, as a fraction of 2**64, are below
        the share.
    """
    digest = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8]) * 100 < share_percent << 64
