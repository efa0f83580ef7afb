from __future__ import annotations

from calogan.errors import nearest


def test_names_that_begin_alike_come_first() -> None:
    known = ["hit_z", "hit_x", "hit_energy", "gen_theta"]
    assert nearest("hit_E", known).startswith("'hit_energy', 'hit_")
    assert nearest("HIT_X", known).startswith("'hit_x'")


def test_at_most_five() -> None:
    assert nearest("a", [f"a{i}" for i in range(9)]).count("'") == 10


def test_nothing_alike() -> None:
    assert nearest("energy", ["qq", "zz"]) == "'qq', 'zz'"
    assert nearest("energy", []) == "none"
