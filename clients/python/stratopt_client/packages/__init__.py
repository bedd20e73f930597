"""Parameter packages on the side that trades: receive every one of them, and believe only what is signed.

    KEY = bytes.fromhex("...")                 # `stratopt package key`, over a channel you trust
    PUBLISHED, REQUESTS = "tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557"
    with SyncPackageFeed(PUBLISHED, requests=REQUESTS, key=KEY, state="trader.db") as feed:
        feed.run(lambda package: trade(package["symbol"], package["parameters"]))

A feed notices what it missed and asks for it again, remembers its place in a file, and hands over each
package once, in order; `PackageFeed` is the same for asyncio. `verify` checks a single message, wherever it
comes from. Needs `pip install 'stratopt[packages]'` (pyzmq and cryptography); they are loaded when they are
used.
"""

from stratopt_client.packages._feed import FeedStatus, HandoverFailed, PackageFeed, Retries
from stratopt_client.packages._live import subscribed
from stratopt_client.packages._sockets import CurveKeys, UnusableKeys
from stratopt_client.packages._state import UnusableState
from stratopt_client.packages._sync import SyncPackageFeed
from stratopt_client.packages._verify import InvalidPackage, document_of, verify, verify_revocation

__all__ = [
    "CurveKeys",
    "FeedStatus",
    "HandoverFailed",
    "InvalidPackage",
    "PackageFeed",
    "Retries",
    "SyncPackageFeed",
    "UnusableKeys",
    "UnusableState",
    "document_of",
    "subscribed",
    "verify",
    "verify_revocation",
]
