"""How fast, how punctual and how dear the server and the client are, as ratios measured in one run.

Each row of `docs/performance.md` comes from one script, which runs alone: `python -m benchmarks.throughput --quick`. All of them:
`python -m benchmarks`, which is `make bench`. Every figure stands beside that of the bare limit (`bare.py`: a uvloop protocol
without a framework that writes ready-made bytes), of Starlette under uvicorn (`framework.py`), and of the peers that are
installed (`python -m benchmarks.peers install`).

    machine.py     cores, memory, limits, versions       streams.py   what is asked and answered, for every server
    children.py    processes that always end             servers.py   ours, bare, framework, the peers, each started alike
    load.py        the load generator, its own process   row.py       a figure, its goals, its ratios
    report.py      docs/performance.md                   ratios.py    the stored ratios, and what counts as worse
"""
