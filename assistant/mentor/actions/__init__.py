"""What the mentor does to the learner's plan: proposed where it is to be asked for, done once, undone on demand.

    proposed ─┬─ approved ─┬─ executed ── undone
              ├─ rejected  └─ failed
              └─ expired

A change and the row that says so are made in one transaction, as the learner, and a trigger keeps to this order. So an
answer that comes twice, from two places, or after a crash has one effect at most.
"""
