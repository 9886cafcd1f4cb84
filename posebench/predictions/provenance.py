"""How a prediction file's lifter was trained: what the leaderboard must know in addition to the score.

The same training gives the same provenance, so that prediction files can be compared by their bytes. Wall time and machine are in the
result (:attr:`posebench.scoring.result.Result.training`).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from posebench.base.schema import Fields
from posebench.predictions.disclosure import FACTS, fits
from posebench.predictions.forms import FORMS, TUNED, implied_form, present_recipe


def taught_by(method: str, recipe: str, preset: str, seed: int, weights: str) -> str:
    """A run as :attr:`Provenance.teacher` names it; ``weights`` is the sha256 of its weights."""
    return f"{method} ({recipe}, {preset}, seed {seed}), weights {weights[:16]}"


#: The end of :func:`taught_by`: what differs between the teachers of two seeds.
_OF_ONE_SEED = re.compile(r", seed [0-9]+\), weights [0-9a-f]+$")


#: The ``context`` of a pose that depends on all frames of its clip.
WHOLE_CLIP = 0
#: What the name of a recipe ends with if its poses were tracked (:mod:`posebench.lifters.rigid_track`).
TRACKED = "-track"
_OF_TRACKED = re.compile(r"(?P<trained>.+?)-track(?:-lag(?P<lag>[0-9]+))?")


def tracked_recipe(recipe: str, lag: int | None = None) -> str:
    """What a recipe is called whose poses were tracked; as a stream, with the frames that it waits for.

    Example:
        >>> tracked_recipe("tuned"), tracked_recipe("tuned", 5)
        ('tuned-track', 'tuned-track-lag5')
    """
    return f"{recipe}{TRACKED}" + ("" if lag is None else f"-lag{lag}")


def untracked_recipe(recipe: str) -> tuple[str, str]:
    """The recipe that was trained, and the options of ``posebench predict`` that tracked its poses; none if they were not tracked.

    Example:
        >>> untracked_recipe("tuned-track"), untracked_recipe("tuned-track-lag5"), untracked_recipe("paper")
        (('tuned', '--track'), ('tuned', '--track --lag 5'), ('paper', ''))
    """
    found = _OF_TRACKED.fullmatch(recipe)
    if found is None:
        return recipe, ""
    return found["trained"], "--track" if found["lag"] is None else f"--track --lag {found['lag']}"


def context_in_words(frames: int) -> str:
    """A context for tables: the number of frames, or ``clip``.

    Example:
        >>> context_in_words(27), context_in_words(WHOLE_CLIP)
        ('27', 'clip')
    """
    return "clip" if frames == WHOLE_CLIP else str(frames)


@dataclass(frozen=True)
class Provenance:
    """How a lifter was trained.

    Attributes:
        recipe: variant of the method, ``tuned`` for its own recipe; settings changed by hand are appended.
        preset: budget: ``smoke``, ``quick``, ``full``, or a word of the author's.
        seed: random seed of the training.
        trained_on: name, version and start of the fingerprint of the training data.
        trained_keypoints: 2D source of the training.
        context: number of input frames that one predicted pose depends on; :data:`WHOLE_CLIP` for all frames of its clip.
        flip_averaging: the prediction is the mean of the lifts of the image and of its mirror image.
        side_information: what the method uses in addition to its supervision, for example the mean camera tilt; empty if nothing.
        extra_data: training data in addition to ``trained_on``; empty if none.
        joints: how training keypoints of other joints than the poses' were equated or completed; empty if none, and then not written.
        teacher: the run that it was distilled from: method, recipe, preset, seed and start of its weights' sha256. Empty if none, and
            then not written to files.
        form: of the method, one of :data:`posebench.predictions.forms.FORMS`; left out, the one that the recipe's name implies.
        epochs: passes over the samples.
        poses_seen: training samples over all epochs; a repeated sample counts each time.
        parameters: number of weights of the lifter.
        online, tta, test_time, input_filter, oracle, selection: what the method was given, :data:`posebench.predictions.disclosure.FACTS`;
            empty where not stated, and then not written to files. A leaderboard takes new entries only with all of them.
    """

    recipe: str
    preset: str
    seed: int
    trained_on: str
    trained_keypoints: str
    context: int
    flip_averaging: bool
    side_information: tuple[str, ...] = ()
    extra_data: tuple[str, ...] = ()
    epochs: int = 1
    poses_seen: int = 1
    parameters: int = 1
    teacher: str = ""
    form: str = ""
    online: str = ""
    tta: str = ""
    test_time: str = ""
    input_filter: str = ""
    oracle: str = ""
    selection: str = ""
    joints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", present_recipe(self.recipe))
        object.__setattr__(self, "teacher", present_recipe(self.teacher))
        object.__setattr__(self, "form", self.form or implied_form(self.recipe))

    @property
    def variant(self) -> str:
        """``+recipe``, for names of entries."""
        return f"+{self.recipe}"

    @property
    def earlier_variant(self) -> str:
        """:attr:`variant` as earlier files have it: empty for the method's own recipe."""
        return "" if self.recipe == TUNED else self.variant

    def named(self, method: str) -> str:
        """What a table calls ``method`` trained like this, whatever it was trained on."""
        return f"{method}{self.variant} ({self.preset})"

    def names(self, method: str) -> tuple[str, str]:
        """:meth:`named`, and the same as earlier files have it."""
        return self.named(method), f"{method}{self.earlier_variant} ({self.preset})"

    @property
    def facts(self) -> dict[str, str]:
        """The stated ones of :data:`posebench.predictions.disclosure.FACTS`."""
        return {name: value for name in FACTS if (value := getattr(self, name))}

    @property
    def common(self) -> Provenance:
        """What all seeds of one training share: its own seed, and its teacher's seed and weights, are left out."""
        return replace(self, seed=0, teacher=_OF_ONE_SEED.sub(")", self.teacher))

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {name: value for name, value in values.items() if value or name not in ("teacher", "joints", *FACTS)}


def read_provenance(fields: Fields) -> Provenance:
    """From a table of a file; errors name the field.

    Raises:
        PosebenchError: a field is missing, unknown or of another kind.
    """
    made = Provenance(
        recipe=fields.text("recipe"),
        preset=fields.text("preset"),
        seed=fields.count("seed"),
        trained_on=fields.text("trained_on"),
        trained_keypoints=fields.text("trained_keypoints"),
        context=fields.count("context"),
        flip_averaging=fields.flag("flip_averaging"),
        side_information=fields.texts("side_information"),
        extra_data=fields.texts("extra_data"),
        epochs=fields.whole("epochs"),
        poses_seen=fields.whole("poses_seen"),
        parameters=fields.whole("parameters"),
        teacher=fields.text("teacher", ""),
        form=fields.choice("form", FORMS, default=implied_form(present_recipe(fields.text("recipe")))),
        **{name: fields.text(name, "") for name in FACTS},
        joints=fields.texts("joints"),
    )
    fields.finish()
    for key, value in made.facts.items():
        if not fits(key, value):
            raise fields.wrong(key, value, FACTS[key].wanted)
    if made.tta and made.flip_averaging != ("flip" in made.tta):
        raise fields.wrong("tta", made.tta, f"what agrees with flip_averaging = {str(made.flip_averaging).lower()}")
    for key in ("recipe", "preset", "trained_on", "trained_keypoints", "teacher"):
        if not getattr(made, key).isprintable():
            raise fields.wrong(key, getattr(made, key), "printable text in one line")
    return made
