"""What a turn costs late in a conversation: the first token of turn 1,000 beside that of turn 10.

    python -m bench.history [--turns 1000] [--early 10] [--rounds 30]

The turns before are rows: copies of what a real one has left, planted by SQL, with the summaries that a long
conversation has by then. What is measured is a real turn over the service's websocket, with a stub for a model: the two
in turn, so that both meet the same moments of the machine. Beside them stands a first turn, which is told nothing.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from uuid import UUID, uuid4

import websockets

from assistant.chat.history import STEP_BYTES
from assistant.db.session import Database
from assistant.db.setup import open_server
from assistant.settings import Settings
from bench.service import percentile, running_service, scratch, stub_model
from bench.turn import QUESTION, Learner, prepare

_PLANT = """
with seed as (
    select * from assistant.runs where thread_id = 'seed' order by created_at desc limit 1
), run as (
    insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until, status, finished_at,
                                last_seq, provider)
    select user_id, space_id, %s, gen_random_uuid()::text, process, now(), 'completed', clock_timestamp(), 1, provider
    from seed returning id
)
insert into assistant.run_steps (run_id, n, role, blocks)
select run.id, s.n, s.role, s.blocks from run, seed join assistant.run_steps s on s.run_id = seed.id
"""

# Where a conversation of this length has been cut by now, there are summaries of what was before.
_SUMMARISE = """
insert into assistant.thread_summaries (run_id, user_id, summary, tainted, turns, tokens, prompt_name, prompt_version,
                                        prompt_hash, model)
select distinct on (r.history_size / %(step)s) r.id, r.user_id, repeat('What was said, in short. ', 280), false, 1, 1,
       'summarise', '1.0.0', '', 'planted'
from assistant.runs r where r.thread_id = %(thread)s order by r.history_size / %(step)s, r.history_size desc
"""


async def plant(database: Database, thread: str, turns: int) -> None:
    async with database.service("maintain") as connection:
        await connection.exec_driver_sql(
            "update assistant.threads set made_title = 'Seed' where thread_id = 'seed' or made_title is null"
        )
        for _ in range(turns):
            await connection.exec_driver_sql(_PLANT, (thread,))
        await connection.exec_driver_sql(_SUMMARISE, {"step": STEP_BYTES, "thread": thread})
        await connection.exec_driver_sql("update assistant.threads set made_title = 'Planted'")


async def ask(socket: websockets.ClientConnection, thread: str) -> float:
    """Seconds to the first token of a turn in that thread."""
    message = {"id": uuid4().hex, "role": "user", "content": QUESTION}
    began, first = time.perf_counter(), 0.0
    await socket.send(json.dumps({"threadId": thread, "runId": uuid4().hex, "messages": [message]}))
    while True:
        frame = str(await socket.recv())
        if not first and "TEXT_MESSAGE_CONTENT" in frame[:40]:
            first = time.perf_counter() - began
        if "RUN_FINISHED" in frame[:40]:
            return first
        assert "RUN_ERROR" not in frame[:40], frame


async def measure(data_dir: Path, address: str, learner: Learner, options: argparse.Namespace) -> dict[str, float]:
    url = address.replace("http", "ws", 1) + f"/api/spaces/{UUID(learner.space)}/agent/ws"
    protocols = ["ag-ui.v1", f"bearer.{learner.token}"]
    seconds: dict[str, list[float]] = {"first": [], "early": [], "late": []}
    async with (
        websockets.connect(url, subprotocols=protocols, compression=None) as socket,  # type: ignore[arg-type]
        await open_server(Settings(data_dir=data_dir, _env_file=None)) as server,  # type: ignore[call-arg]
        server.open() as database,
    ):
        for _ in range(3):
            await ask(socket, "seed")
        await plant(database, "late", options.turns - 1)
        for number in range(options.rounds):
            await plant(database, f"early {number}", options.early - 1)
        await ask(socket, "late")
        for number in range(options.rounds):
            seconds["first"].append(await ask(socket, f"first {number}"))
            seconds["early"].append(await ask(socket, f"early {number}"))
            seconds["late"].append(await ask(socket, "late"))
    return {name: percentile(values, 0.5) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--early", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with scratch() as data_dir, stub_model() as model:
        [learner] = prepare(data_dir, 1)
        with running_service(data_dir, ANTHROPIC_BASE_URL=model.address) as service:
            found = asyncio.run(measure(data_dir, service.address, learner, options))
    print(f"first token, median of {options.rounds}")
    for name, number in (("first", 1), ("early", options.early), ("late", options.turns)):
        share = found[name] / found["early"]
        print(f"turn {number:5}  {found[name] * 1000:6.1f} ms  ({share:.2f} of turn {options.early})")


if __name__ == "__main__":
    main()
