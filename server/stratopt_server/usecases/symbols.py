"""Symbols, however others write them."""

from collections.abc import Iterable


class KnownSymbols:
    """The symbols that there are bars of, found by any of the ways in which they are written."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self._exact = set(symbols)
        self._bare: dict[str, set[str]] = {}
        for symbol in self._exact:
            self._bare.setdefault(_bare(symbol), set()).add(symbol)

    def find(self, written: str) -> str | None:
        """Return the symbol that is meant by `BTC/USDT`, `BTC-USDT` or `btcusdt`; None if none or several."""
        plain = written.strip().upper().replace("-", "/")
        if plain in self._exact:
            return plain
        found = self._bare.get(_bare(plain), set())
        return next(iter(found)) if len(found) == 1 else None


def _bare(symbol: str) -> str:
    return "".join(letter for letter in symbol.upper() if letter.isalnum())
