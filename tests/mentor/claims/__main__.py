"""Print how well claims are found: python -m tests.mentor.claims"""

import time
from typing import Final, get_args

from assistant.mentor.claims.detection import find_claims
from tests.mentor.claims.measure import Half, load, measure

ROUNDS: Final = 20


def main() -> None:
    print(f"{'half':12} {'language':8} {'sentences':>9} {'claims':>6} {'precision':>9} {'recall':>6} {'same':>6}")
    for half in get_args(Half):
        for language, score in measure(load(half)).items():
            claims = score.found + len(score.missed)
            share = score.same / max(1, score.found)
            print(
                f"{half:12} {language:8} {score.total:9} {claims:6}"
                f" {score.precision:9.3f} {score.recall:6.3f} {share:6.2f}"
            )
    texts = [row.text for half in get_args(Half) for row in load(half)]
    began = time.process_time()
    for _ in range(ROUNDS):
        for text in texts:
            find_claims(text)
    print(f"{(time.process_time() - began) / ROUNDS / len(texts) * 1e6:.0f} µs of CPU a text")


if __name__ == "__main__":
    main()
