"""How verbs say how far they are, where there is no terminal."""

from praxino.cli import terminal
from praxino.cli.terminal import Progress


def test_without_a_terminal_a_line_says_how_far_it_is_and_how_long_it_takes(capsys, monkeypatch):
    times = iter([0.0, 10.0, 70.0, 80.0, 140.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(times))
    with Progress(quiet=False).bar("measure", 1000) as advance:
        for done in (100, 240, 250, 380):
            advance(done)
    assert capsys.readouterr().err.splitlines() == [
        "measure: 240 of 1,000, 2 a second, 0:06:20 left",
        "measure: 380 of 1,000, 2 a second, 0:05:10 left",
    ]


def test_a_quiet_one_says_nothing(capsys, monkeypatch):
    times = iter([0.0, 10.0, 70.0, 140.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(times))
    with Progress(quiet=True).bar("measure", 10) as advance:
        for done in (1, 2, 3):
            advance(done, description="still there")
    assert not capsys.readouterr().err
