"""Random trees of real actors: as the model says one by one, sound when all comes at once."""

import re
import secrets

import pytest

from taskqueue.supervision import decisions
from tests.otp import random_trees

SECONDS = 2.0


@pytest.mark.parametrize("seed", [1, secrets.randbelow(1_000_000)], ids=["fixed", "drawn"])
def test_random_trees_in_random_trouble_do_as_otp_does(seed: int, capsys) -> None:
    with capsys.disabled():
        code = random_trees.main(["--seconds", str(SECONDS), "--seed", str(seed)])

    assert code == 0


def test_a_wrong_decision_is_found_and_told_with_its_seed_and_its_actions(monkeypatch) -> None:
    to_stop = decisions.to_stop
    monkeypatch.setattr(decisions, "to_stop", lambda *group: to_stop(*group)[::-1])

    with pytest.raises(random_trees.Differs) as found:
        random_trees.run(seed=1, seconds=20.0)

    assert "starts and ends after action" in str(found.value)
    [story] = found.value.__notes__
    assert re.match(r"seed 1, episode \d+ \(sequential\); again: python -m ", story)
    assert "one_for_all" in story or "rest_for_one" in story
    assert f"\n {random_trees.ACTIONS - 1} " in story
