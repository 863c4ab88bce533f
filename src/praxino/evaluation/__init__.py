"""How good videos are.

`suite` (sentences), `judge` (a film and its ceilings), `diorama` (scores of a reading), `physics`,
`motion`, `layouts`, `identity` (individuals), `identity_pairs` (two in one film), `identity_gap`
(over time), `readers` (on disk); `compare` (two folders),
`features` and `frechet` (distances); `report` writes it down.
"""
