"""The graph network of ``ites``, fused, against its plain sums: a step of training and a lift, in alternating runs.

``pytest tests/bench/bench_graph.py -s``. Weights and keypoints are drawn: times do not depend on them. No time is asserted; that both give
the same depths is. Ratios are those of CPU time on one thread (``OMP_NUM_THREADS=1``).
"""

import statistics
import time

import pytest
import torch

from posebench.networks.recipe import load_baseline, read_method, resolve
from tests.baselines.ites.plain import plain

REPEATS = 7
BATCH = 1024


def method_of(recipe):
    """The method at full size, with drawn views and depths of a teacher."""
    baseline = load_baseline("ites")
    chosen = resolve(read_method("ites")[0], baseline.Settings, where="recipe.toml", recipe=recipe, preset="full")
    torch.manual_seed(0)
    method = baseline.build(chosen, "h36m17")
    keypoints = 0.06 * torch.randn(2048, 17, 2)
    method.lifter.camera.fit(keypoints)
    method.views = method.lifter.camera(keypoints)
    method.lifter.image.fit(method.views.image)
    method.teacher_depths = 0.3 * torch.randn(2048, 17)
    return method, keypoints


@pytest.mark.parametrize("recipe", ["tuned", "paper"])
def test_fused_and_plain_graph_network(benchmark, recipe):
    torch.set_num_threads(1)
    method, keypoints = method_of(recipe)
    (optimiser,) = method.optimisers().values()
    frames = torch.arange(method.settings.batch)

    def step():
        ((_, terms),) = method.losses(None, frames, 0)
        optimiser.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        optimiser.step()

    def lift():
        with torch.inference_mode():
            return method.lift(keypoints[:BATCH])

    spent = {(form, what): [] for form in ("fused", "plain") for what in ("step", "lift")}

    def timed(form, what, call):
        start = time.process_time()
        call()
        spent[form, what].append(time.process_time() - start)

    def both():
        for what, call in (("step", step), ("lift", lift)):
            timed("fused", what, call)
            with plain():
                timed("plain", what, call)

    benchmark.pedantic(both, rounds=REPEATS, warmup_rounds=1)
    seconds = {key: statistics.median(times[1:]) for key, times in spent.items()}
    ratios = {what: seconds["plain", what] / seconds["fused", what] for what in ("step", "lift")}
    benchmark.extra_info.update(ratios)
    poses = f"a step of {method.settings.batch} poses {seconds['fused', 'step']:.3f} s"
    print(f"\n{recipe}: {poses}, {ratios['step']:.2f} x faster than plain; lift of {BATCH} poses {ratios['lift']:.2f} x")
    method.eval()
    fused = lift()
    with plain():
        assert float((fused - lift()).abs().max()) <= 1e-5 * float(fused.abs().max())
