"""One loop for every network.

`loop` runs a stage; `stages` is the table of them: `autoencoder`, `tiny_decoder`, `diffusion` (with
`batch`, `captions`, `tasks`, `references`, `grounding`, `routing`, `consistency`, `warm_start`),
`distill` and `ode_regression` (students), `finetune` (of a `corpus`, perhaps by a `lora`;
`training_memory` says what a step takes), `refiner`, `layout`, `latent_reader`, `reader`,
`forensic`, `identity`; `ways`, a room of its own, are six ways to make pictures. `optimizer` moves
the weights, `encoding` makes and keeps latents, `sources` says where weights come from, `runs` what
a folder remembers, `run_log` writes metrics.

Many processes: `parallel` says who they are, `gradients` adds up what each finds, `sharding` cuts
weights, `context_parallel` clips. `cost` says what a run would take, `staircases` are large ones;
`dry_run` divides one among processes that are not there.
"""
