"""The two processes, without networks.

`path` (alpha and sigma), `prediction` (what a network says), `objective` (weights, times), `ddpm`
(the chain of 2020), `respacing`, `sampling` (seven samplers), `guidance`, `gradient_guidance` (and
`clip_guidance`), `step_cache` (forecast outputs), `flow_edit` (from one film to another),
`refinement` (from an enlarged one to a large one).
"""
