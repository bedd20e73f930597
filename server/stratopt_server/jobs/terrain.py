"""How the score of a search stands around its trials."""

from stratopt_server.domain.optimization import Plateau
from stratopt_server.domain.runs import Algorithm, OptimizationSpec
from stratopt_server.domain.space import SearchSpace
from stratopt_server.jobs.searching import Tried, space_of
from stratopt_server.validation.plateau import Landscape, good_share, median_ratio


def landscape_of(spec: OptimizationSpec, tried: Tried, space: SearchSpace | None = None) -> Landscape:
    """Lay out the trials of a search by their parameters."""
    points = (space or space_of(spec)).encode(tried.params)
    return Landscape(points, -tried.losses[:, 0], grid=spec.algorithm is Algorithm.GRID)


def plateau_at(landscape: Landscape, tried: Tried, place: int) -> Plateau:
    """Look around one of the trials."""
    around = landscape.around(place)
    if around is None:
        return Plateau(neighbours=0, median_ratio=None, share_70=None)
    score = -float(tried.losses[place, 0])
    return Plateau(
        neighbours=around.count,
        median_ratio=median_ratio(around, score),
        share_70=good_share(around, score),
    )
