"""A Gaussian process over evaluated points: scikit-optimize's, and the only module that knows it.

scikit-optimize is archived upstream; its Gaussian process works with the pinned versions beside it.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from skopt.space import Real, Space
from skopt.utils import cook_estimator

STEPS_MAX = 40
"""Of the search for the kernel's parameters: the last digits of them change no choice."""

Points = NDArray[np.float64]
Column = NDArray[np.float64]


class Surrogate:
    """What is believed of the loss everywhere, from what it is at some points."""

    def __init__(self, points: Points, losses: Column, *, seed: int) -> None:
        """Fit it: `points` has shape (n, dimensions) in the unit cube, `losses` shape (n,), not all equal."""
        space = Space([Real(0.0, 1.0)] * points.shape[1])
        self._process: Any = cook_estimator(
            "GP",
            space=space,
            random_state=seed % 2**32,
            noise="gaussian",
            n_restarts_optimizer=0,
            optimizer=_few_steps,
        )
        with warnings.catch_warnings():
            # A parameter at its bound is an answer like any other here.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process.fit(points, losses)

    def posterior(self, candidates: Points) -> "Posterior":
        """What is believed of the loss at the candidates."""
        process = self._process
        between = process.kernel_(process.X_train_, candidates)
        mean = between.T @ process.alpha_ * process._y_train_std + process._y_train_mean  # noqa: SLF001
        return Posterior(
            np.ravel(mean),
            float(process._y_train_std),  # noqa: SLF001
            kernel=process.kernel_,
            candidates=candidates,
            explained=solve_triangular(process.L_, between, lower=True),
        )


class Posterior:
    """Mean and variance at candidates; the variance falls as candidates are picked.

    It depends on where points are and not on what comes of them: so a batch can be picked point by point
    with a single fit.
    """

    def __init__(
        self, mean: Column, scale: float, *, kernel: Any, candidates: Points, explained: Points
    ) -> None:
        self.mean = mean
        self._scale = scale
        self._kernel = kernel
        self._candidates = candidates
        self._explained = explained
        self._variance = np.maximum(kernel.diag(candidates) - (explained**2).sum(axis=0), 0.0)
        self._picked: list[Column] = []

    @property
    def deviation(self) -> Column:
        """Standard deviation at each candidate."""
        deviation: Column = np.sqrt(self._variance) * self._scale
        return deviation

    def pick(self, place: int) -> None:
        """Count the candidate as evaluated."""
        column = self._kernel(self._candidates, self._candidates[place : place + 1])[:, 0]
        column = column - self._explained.T @ self._explained[:, place]
        for before in self._picked:
            column = column - before * before[place]
        variance = self._variance[place]
        if variance > 0:
            column = column / np.sqrt(variance)
            self._picked.append(column)
            self._variance = np.maximum(self._variance - column**2, 0.0)
        self._variance[place] = 0.0


def _few_steps(objective: Any, start: Column, bounds: Any) -> tuple[Column, float]:
    found = minimize(
        objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS_MAX}
    )
    return found.x, float(found.fun)
