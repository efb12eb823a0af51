"""A large table in Parquet files scored by Dask workers, beside one process: rows a second, memory, bits."""

import argparse
import resource
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import fastnn as fn

GROUP = 100_000  # rows of a row group
FILES = 10
WIDTHS = (16, 64, 64, 1)
NAMES = [f"x{k}" for k in range(WIDTHS[0])]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--rows", type=int, metavar="N", help="score a table of so many rows by Dask workers instead")
    parser.add_argument("--workers", type=int, default=2, help="of Dask, one thread each")


def write(folder: Path, rows: int) -> None:
    """A table of normal numbers, float32, in several files, a row group at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir()
    schema = pa.schema([(name, pa.float32()) for name in NAMES])
    for k, part in enumerate(np.array_split(np.arange(rows), FILES)):
        random = np.random.default_rng(k)
        with parquet.ParquetWriter(folder / f"{k:02}.parquet", schema, use_dictionary=False) as file:
            for start in range(0, len(part), GROUP):
                count = min(GROUP, len(part) - start)
                columns = [random.standard_normal(count, np.float32) for _ in NAMES]
                file.write_table(pa.table(columns, schema=schema))


def network() -> fn.Sequential:
    """What scores."""
    return fn.nets.mlp(WIDTHS[0], WIDTHS[-1], hidden=WIDTHS[1:-1], seed=0)


def score(frame: Any, net: fn.Sequential) -> Any:
    """A partition scored: a frame of one column."""
    import pandas as pd

    return pd.DataFrame({"score": net.predict(frame.to_numpy(np.float32))[:, 0]}, index=frame.index)


def by_dask(client: Any, folder: Path, target: Path, net: fn.Sequential) -> None:
    """Score all files by the workers of a client, one file after the other on each; the network goes to each once."""
    import dask
    from dask import dataframe as dd

    table = dd.read_parquet(folder, split_row_groups=False)
    meta = {"score": np.float32}
    table.map_partitions(score, dask.delayed(net), meta=meta).to_parquet(target, write_index=False)


def alone(folder: Path, target: Path, net: fn.Sequential) -> None:
    """The loop that one process would run: a row group at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    target.mkdir()
    for path in sorted(folder.glob("*.parquet")):
        with parquet.ParquetWriter(target / path.name, pa.schema([("score", pa.float32())])) as file:
            for batch in parquet.ParquetFile(path).iter_batches(GROUP):
                x = np.column_stack([column.to_numpy() for column in batch.columns])
                file.write_table(pa.table({"score": net.predict(x)[:, 0]}))


def scores(folder: Path) -> np.ndarray:
    """All scores of a folder, in order."""
    import pandas as pd

    parts = sorted(folder.glob("*.parquet"), key=lambda path: (len(path.name), path.name))
    return np.concatenate([pd.read_parquet(path)["score"].to_numpy() for path in parts])


def most_memory() -> int:
    """Bytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(options: argparse.Namespace) -> None:
    """Make the table, score it both ways, compare and print."""
    from dask.distributed import Client, LocalCluster

    fn.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        table, net = Path(place) / "table", network()
        write(table, options.rows)
        size = sum(path.stat().st_size for path in table.iterdir())
        began = perf_counter()
        alone(table, Path(place) / "alone", net)
        seconds = perf_counter() - began
        widths = "-".join(map(str, WIDTHS))
        print(f"{options.rows:,} rows of {len(NAMES)} columns, {size / 1e6:,.0f} MB; network {widths}")
        print(f"one process, one thread: {options.rows / seconds:,.0f} rows/s, {most_memory() / 1e6:,.0f} MB at most")
        with (
            LocalCluster(options.workers, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            client.run(score_nothing)
            before = client.run(most_memory)
            began = perf_counter()
            by_dask(client, table, Path(place) / "dask", net)
            elapsed = perf_counter() - began
            peaks, first = client.run(most_memory).values(), before.values()
        print(
            f"{options.workers} Dask workers, one thread each: {options.rows / elapsed:,.0f} rows/s, "
            f"{max(peaks) / 1e6:,.0f} MB at most each, {max(first) / 1e6:,.0f} MB of it before the first row"
        )
        found, expected = (scores(Path(place) / name).view(np.uint32) for name in ("dask", "alone"))
        same = np.array_equal(found, expected)
        print(f"scores have the same bits: {same}")
        if not same:
            raise SystemExit("bench.scoring: the scores differ")


def score_nothing() -> None:
    """Import in a worker what scoring needs, so that its memory is counted before."""
    import pandas as pd
    import pyarrow.parquet  # noqa: F401

    score(pd.DataFrame(np.zeros((1, WIDTHS[0]), np.float32)), network())
