"""Whether returns remember those before them: a Sharpe ratio that is annualised as if they did not is off."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def autocovariances(returns: Floats, lags: int) -> Floats:
    """Autocovariances of lags 0 .. `lags` along the first axis, each sum divided by the number of returns."""
    count = len(returns)
    deviations = returns - returns.mean(axis=0)
    length = 1 << (2 * count - 1).bit_length()
    spectrum = np.fft.rfft(deviations, length, axis=0)
    products = np.fft.irfft(np.abs(spectrum) ** 2, length, axis=0)
    found: Floats = products[: lags + 1] / count
    return found


def autocorrelations(returns: Floats, lags: int) -> Floats | None:
    """Autocorrelations of lags 1 .. `lags`; None if the returns do not vary or are too few."""
    if len(returns) <= lags or not np.isfinite(returns).all() or np.ptp(returns) == 0:
        return None
    found = autocovariances(returns, lags)
    rest: Floats = found[1:] / found[0]
    return rest


def ljung_box(returns: Floats, lags: int = 10) -> float | None:
    """The p-value of no autocorrelation up to that lag (Ljung & Box 1978).

    Q = T (T + 2) sum rho_k^2 / (T - k), chi-squared with that many degrees of freedom. None if the returns
    do not vary or are too few.
    """
    from scipy.special import gammaincc  # noqa: PLC0415 - half a second that the server need not take

    found = autocorrelations(returns, lags)
    if found is None:
        return None
    count = len(returns)
    statistic = count * (count + 2) * float(np.sum(found**2 / (count - np.arange(1, lags + 1))))
    return float(gammaincc(lags / 2, statistic / 2))
