"""Write schedules.json: the signal kept after some steps of both chains, in 50-digit decimal
arithmetic.

Independent of the package and of floating point; run once by hand. Linear: arXiv 2006.11239,
section 4. Cosine: arXiv 2102.09672, eq. 17, beta at most 0.999.
"""

import json
from decimal import Decimal, getcontext
from pathlib import Path

getcontext().prec = 50
STEPS = (1, 2, 10, 100, 250, 500, 750, 990, 999, 1000)
PI = Decimal("3.14159265358979323846264338327950288419716939937510")


def cosine(x: Decimal) -> Decimal:
    term, total, n = Decimal(1), Decimal(1), 0
    while abs(term) > Decimal(10) ** -48:
        n += 2
        term *= -x * x / (n * (n - 1))
        total += term
    return total


def linear() -> list[Decimal]:
    kept, out = Decimal(1), []
    for n in range(1000):
        kept *= 1 - (Decimal("0.0001") + Decimal("0.0199") * n / 999)
        out.append(kept)
    return out


def squared_cosine() -> list[Decimal]:
    def f(n: int) -> Decimal:
        return cosine((Decimal(n) / 1000 + Decimal("0.008")) / Decimal("1.008") * PI / 2) ** 2

    kept, out = Decimal(1), []
    for n in range(1, 1001):
        kept *= 1 - min(1 - f(n) / f(n - 1), Decimal("0.999"))
        out.append(kept)
    return out


if __name__ == "__main__":
    table = {
        name: {str(n): f"{values[n - 1]:.20e}" for n in STEPS}
        for name, values in (("linear", linear()), ("cosine", squared_cosine()))
    }
    Path(__file__).with_name("schedules.json").write_text(json.dumps(table, indent=1) + "\n")
