"""A sample of `make bench ONLY=null_test`: nothing is not approved, and an edge is."""

from bench.null_test import decided

from stratopt_client import Client

SHARPE_3 = 0.01396
"""Drift a day at which following the trend has that Sharpe ratio, as the bench finds it."""


async def test_noise_is_not_approved_and_an_edge_is(client: Client) -> None:
    """By the default policy: four markets with nothing to find, two with a planted Sharpe ratio of 3."""
    tallies = await decided(client, nulls=4, powered=2, drifts={3.0: SHARPE_3})
    null, edge = tallies["null"], tallies["3"]
    assert (null.cases, null.approved, null.reviewed) == (4, 0, 0)
    assert null.stopped["dsr"] == 4
    assert (edge.cases, edge.approved) == (2, 2), edge.report()
