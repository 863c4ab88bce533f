"""A tiny model whose windows are looked at."""

import pytest

import praxino


@pytest.fixture(scope="session", name="windowed")
def _windowed(windows_model):
    """A pipeline that makes long films window by window."""
    return praxino.load(windows_model)


@pytest.fixture(name="windows")
def _windows(windowed, monkeypatch):
    """Conditions of all windows that are denoised."""
    seen, denoise = [], windowed.denoise

    def spy(request, conditions, *rest):
        seen.append(conditions)
        return denoise(request, conditions, *rest)

    monkeypatch.setattr(windowed, "denoise", spy)
    return seen
