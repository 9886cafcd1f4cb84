"""The tilt and distance of a tuned recipe: `cmu`'s on `cmu`, measured on the training split elsewhere, and said so."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.networks.recipe import baselines, load_baseline, read_method, resolve
from posebench.training.cameras import fitted, measure_cameras

TUNED = ("chen2019", "ites", "ites_teacher")


def settings_of(method, recipe="tuned", *changes):
    content, where = read_method(method)
    return resolve(content, load_baseline(method).Settings, where=where, recipe=recipe, preset="smoke", changes=changes)


def every_recipe():
    return [(method, recipe) for method in baselines() for recipe in ("tuned", *read_method(method)[0].get("recipes", {}))]


@pytest.mark.parametrize("name", ["cmu", "synthetic"])
def test_on_cmu_and_on_what_imitates_it_no_recipe_changes(name, synthetic):
    dataset = replace(synthetic, name=name)
    for method, recipe in every_recipe():
        settings = settings_of(method, recipe)
        same, words = fitted(settings, dataset, "gt")
        assert same is settings, (method, recipe)
        assert words == ()


@pytest.fixture(scope="module")
def h36m(copies):
    return posebench.open_dataset("h36m", copies / "videopose3d")


@pytest.fixture(scope="module")
def tilted(h36m):
    """The copy with all cameras turned down by 7 degrees about their own horizontal axis; poses and keypoints turn with them."""
    c, s = np.cos(np.radians(7.0)), np.sin(np.radians(7.0))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])

    def load(id):
        clip = h36m.load(id)
        camera = replace(clip.camera, rotation=turn @ clip.camera.rotation, radial=np.zeros(3), tangential=np.zeros(2))
        pose = clip.pose @ turn.T
        return replace(clip, camera=camera, pose=pose, sources={"gt": lambda: camera.project(pose)})

    return replace(h36m, load=load)


def plain_facts(dataset):
    """Tilt: 90 degrees less the angle from the optical axis to the downward direction. Distance: after turning the camera to the root."""
    down, heads, frames = [], [], []
    for id in dataset.clip_ids("train"):
        clip = dataset.load(id)
        axis = clip.camera.rotation[2]
        down.append(90.0 - np.degrees(np.arccos(axis @ -np.array(dataset.up))))
        frames.append(len(clip.pose))
        for pose in clip.pose[::10]:
            forward = pose[0] / np.linalg.norm(pose[0])
            along = (pose[10] - pose[0]) @ forward
            beside = np.linalg.norm(pose[10] - pose[0] - along * forward)
            heads.append(beside / (np.linalg.norm(pose[0]) + along))
    return np.average(down, weights=frames), 1.0 / np.mean(heads)


def test_tilt_and_distance_are_those_of_the_cameras_and_images_at_hand(h36m, tilted):
    for dataset, name in ((h36m, "as it is"), (tilted, "tilted")):
        facts, words = measure_cameras(dataset, "gt")
        tilt, distance = plain_facts(dataset)
        assert facts.tilt == pytest.approx(tilt, abs=0.06), name
        assert facts.distance == pytest.approx(distance, abs=0.06), name
        assert "calibration of 16 training clips of h36m" in words[0]
        assert "keypoints gt" in words[1]
    assert measure_cameras(tilted, "gt")[0].tilt - measure_cameras(h36m, "gt")[0].tilt == pytest.approx(7.0, abs=0.2)


@pytest.mark.parametrize("method", TUNED)
def test_a_tuned_recipe_has_the_facts_of_the_data_and_nothing_of_cmus_cameras(method, tilted):
    settings = settings_of(method)
    new, words = fitted(settings, tilted, "gt")
    facts, _ = measure_cameras(tilted, "gt")
    assert (new.tilt, new.distance) == (facts.tilt, facts.distance)
    assert facts.tilt > 10.0
    assert len(words) == 2
    changed = {name for name, value in asdict(new).items() if value != asdict(settings)[name]}
    assert changed == {"chen2019": {"tilt", "distance", "view_limit"}, "ites": {"tilt", "distance"}}.get(
        method, {"tilt", "distance", "view_limit", "reprojection"}
    )
    if method == "ites_teacher":
        assert new.reprojection == new.distance
        assert new.view_limit * new.distance == pytest.approx(settings.view_limit * settings.distance, rel=0.01)


def test_published_forms_and_methods_without_such_facts_stay_as_they_are(h36m):
    for method, recipe in every_recipe():
        settings = settings_of(method, recipe)
        new, words = fitted(settings, h36m, "gt")
        facts = {"tilt": 6.2, "flip_tilt": 6.2, "distance": 8.4}
        if not any(getattr(settings, name, 0.0) == value for name, value in facts.items()):
            assert new is settings, (method, recipe)
        else:
            assert words, (method, recipe)


def test_what_the_caller_states_is_kept(h36m):
    new, words = fitted(settings_of("chen2019", "tuned", "tilt=6.2", "distance=8.4"), h36m, "gt", ["tilt=6.2", "distance=8.4"])
    assert (new.tilt, new.distance, words) == (6.2, 8.4, ())


def test_where_no_camera_is_known_to_stand_upright_nothing_is_claimed_of_the_tilt(copies):
    dataset = posebench.open_dataset("3dhp", copies / "3dhp")
    new, words = fitted(settings_of("chen2019"), dataset, "gt")
    assert new.tilt == 0.0
    assert words[0].startswith("no camera tilt")
    with pytest.raises(PosebenchError, match="flip_tilt=DEGREES"):
        fitted(settings_of("ites_teacher", "paper-tilt"), dataset, "gt")


def test_a_run_states_what_was_measured_and_the_table_that_calibration_was_read(copies, tmp_path):
    posebench.train(
        "ites_teacher",
        "h36m",
        root=copies / "videopose3d",
        preset="smoke",
        changes=["width=16", "epochs=1", "samples=256"],
        output=tmp_path / "run",
    )
    recipe = (tmp_path / "run" / "recipe.toml").read_text()
    facts, _ = measure_cameras(posebench.open_dataset("h36m", copies / "videopose3d"), "gt")
    assert f"\ntilt = {facts.tilt}\n" in recipe
    assert f"\ndistance = {facts.distance}\n" in recipe
    assert facts.distance != 8.4
    assert 'measured = ["camera tilt of ' in recipe
    made = posebench.load_result(tmp_path / "run" / "result.json").predictions.provenance
    assert any(line.startswith("cameras look down by ") for line in made["side_information"])
    assert any("measured on the calibration of 16 training clips of h36m" in line for line in made["side_information"])
    posebench.train(
        "ites_teacher",
        "h36m",
        root=copies / "videopose3d",
        preset="smoke",
        changes=["width=16", "epochs=1", "samples=256"],
        output=tmp_path / "run",
        resume=True,
    )
