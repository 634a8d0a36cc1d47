"""What people read and write data with, on a branch, an old commit and an open one.

Each tool reads by the URL as it is, where it can, and else in the way that docs/fsspec.md names. A
tool that is not installed fails: `make tools` installs them all.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator

import fsspec
import pytest

from pfslib.interop.filesystem import PfsFileSystem

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend


@pytest.fixture(params=["a branch", "an old commit", "an open commit"])
def place(request, store, by_url) -> Iterator[str]:
    """``repo@ref`` of a commit that holds data in many formats."""
    import pandas
    from PIL import Image

    frame = pandas.DataFrame({"n": range(100), "name": [f"row {n}" for n in range(100)]})
    table, picture = io.BytesIO(), io.BytesIO()
    frame.to_parquet(table)
    Image.new("RGB", (7, 5), "red").save(picture, "PNG")
    commit = store.start_commit("scratch", "data")
    commit.put_file("/t.csv", frame.to_csv(index=False))
    for part in range(3):
        commit.put_file(f"/parts/{part}.parquet", table.getvalue())
        commit.put_file(f"/csv/{part}.csv", frame.to_csv(index=False))
    commit.put_file("/p.png", picture.getvalue())
    commit.put_file("/o.json", json.dumps({"a": [1, 2]}))
    commit.put_file("/o.pickle", pickle.dumps({"a": [1, 2]}))
    if request.param == "an open commit":
        yield f"scratch@{commit.id}"
        return
    commit.finish()
    if request.param == "a branch":
        yield "scratch@data"
        return
    with store.repo("scratch").commit("data") as later:
        later.delete_glob("/*")
        later.put_file("/other", "")
    yield "scratch@data^"


@pytest.fixture
def out(by_url) -> str:
    """A branch to write to, by URL."""
    return "pfs://scratch@out"


# --- tables ----------------------------------------------------------------------------------


def test_pandas(place, out):
    import pandas

    frame = pandas.read_csv(f"pfs://{place}/t.csv")
    assert frame["n"].sum() == 4950
    assert pandas.read_parquet(f"pfs://{place}/parts/0.parquet").equals(frame)
    assert len(pandas.read_parquet(f"pfs://{place}/parts")) == 300
    frame.to_csv(f"{out}/t.csv.gz", index=False)
    frame.to_parquet(f"{out}/t.parquet")
    frame.to_json(f"{out}/t.jsonl", orient="records", lines=True)
    frame.to_pickle(f"{out}/t.pickle")
    assert pandas.read_csv(f"{out}/t.csv.gz").equals(frame)
    assert pandas.read_parquet(f"{out}/t.parquet").equals(frame)
    assert pandas.read_json(f"{out}/t.jsonl", lines=True).equals(frame)
    assert pandas.read_pickle(f"{out}/t.pickle").equals(frame)


def test_pandas_by_a_commit(place, store):
    import pandas

    frame = pandas.read_csv(f"pfs://{place}/t.csv", storage_options={"store": str(store.path)})
    if not place.endswith("data"):
        return
    commit = store.commit(place)
    assert pandas.read_csv(commit.url("/t.csv")).equals(frame)
    with (commit / "t.csv").open("rb") as file:
        assert pandas.read_csv(file).equals(frame)


def test_pyarrow(place, out, fs):
    from pyarrow import dataset, parquet, table

    read = parquet.read_table(f"{place}/parts/0.parquet", filesystem=fs)
    assert read.num_rows == 100
    assert parquet.read_table(f"fsspec+pfs://{place}/parts/0.parquet").equals(read)
    parts = dataset.dataset(f"{place}/parts", filesystem=fs, format="parquet")
    assert parts.to_table(filter=dataset.field("n") < 10).num_rows == 30
    new = table({"k": [1, 1, 2], "v": [1, 2, 3]})
    with fs.transaction:
        dataset.write_dataset(
            new, "scratch@out/set", filesystem=fs, format="parquet", partitioning=["k"]
        )
    again = dataset.dataset("scratch@out/set", filesystem=fs, partitioning=["k"])
    assert sorted(again.to_table()["v"].to_pylist()) == [1, 2, 3]
    parquet.write_table(new, "scratch@out/t.parquet", filesystem=fs)
    assert parquet.read_table("scratch@out/t.parquet", filesystem=fs).equals(new)


def test_duckdb(place, fs, store):
    import duckdb

    with duckdb.connect() as con:
        con.register_filesystem(fs)
        query = f"select sum(n) from 'pfs://{place}/parts/*.parquet'"
        assert con.execute(query).fetchone() == (3 * 4950,)
        assert con.execute(f"select count(*) from 'pfs://{place}/t.csv'").fetchone() == (100,)
        con.execute(
            f"copy (select * from 'pfs://{place}/t.csv' where n < 5)"
            " to 'pfs://scratch@out/few.parquet' (format parquet)"
        )
        difference = (
            f"select count(*) from (select * from 'pfs://{place}/t.csv'"
            " except select * from 'pfs://scratch@out/few.parquet')"
        )
        assert con.execute(difference).fetchone() == (95,)
        with fs.transaction as transaction:
            con.execute(
                "copy (select range as a, range % 3 as p from range(10))"
                " to 'pfs://scratch@parts/all' (format parquet, partition_by (p))"
            )
        assert len(transaction.commits) == 1
        found = "select count(*), sum(p) from 'pfs://scratch@parts/all/*/*.parquet'"
        assert con.execute(found).fetchone() == (10, 9)


def test_polars(place, out, fs):
    import polars

    with fs.open(f"{place}/t.csv") as file:
        frame = polars.read_csv(file)
    with fs.open(f"{place}/parts/0.parquet") as file:
        assert polars.read_parquet(file).equals(frame)
        file.seek(0)
        assert polars.scan_parquet(file).filter(polars.col("n") < 3).collect().height == 3
    with fs.open("scratch@out/t.parquet", "wb") as file:
        frame.write_parquet(file)
    with fs.open("scratch@out/t.parquet") as file:
        assert polars.read_parquet(file).equals(frame)


def test_dask(place, out):
    import dask
    import dask.dataframe

    with dask.config.set(scheduler="threads", num_workers=2):
        frame = dask.dataframe.read_parquet(f"pfs://{place}/parts")
        assert int(frame["n"].sum().compute()) == 3 * 4950
        lines = dask.dataframe.read_csv(f"pfs://{place}/csv/*.csv")
        assert len(lines) == 300
        frame.to_parquet(f"{out}/dask")
        assert len(dask.dataframe.read_parquet(f"{out}/dask")) == 300


def test_dask_in_processes(place):
    import dask.dataframe

    frame = dask.dataframe.read_parquet(f"pfs://{place}/parts")
    assert int(frame["n"].sum().compute(scheduler="processes", num_workers=2)) == 3 * 4950


# --- arrays and pictures ---------------------------------------------------------------------


def test_zarr(place, out, store, fs):
    import numpy
    import zarr

    with fsspec.filesystem("pfs").transaction:
        array = zarr.create_array(f"{out}/a.zarr", shape=(20, 20), chunks=(5, 5), dtype="i4")
        array[:] = numpy.arange(400).reshape(20, 20)
    read = zarr.open_array(f"{out}/a.zarr", mode="r")
    assert read[3, 4] == 64
    assert int(read[:].sum()) == 79800


def test_xarray(out):
    import numpy
    import xarray

    data = xarray.Dataset({"t": (("x", "y"), numpy.arange(12.0).reshape(3, 4))})
    data.to_zarr(f"{out}/d.zarr", consolidated=False)
    read = xarray.open_zarr(f"{out}/d.zarr", consolidated=False)
    assert read.equals(data)


def test_numpy(place, fs):
    import numpy

    values = numpy.arange(1000).reshape(10, 100)
    with fs.open("scratch@out/a.npy", "wb") as file:
        numpy.save(file, values)
    with fs.open("scratch@out/z.npz", "wb") as file:
        numpy.savez(file, values=values)
    with fs.open("scratch@out/a.npy") as file:
        assert (numpy.load(file) == values).all()
    with fs.open("scratch@out/z.npz") as file:
        assert (numpy.load(file)["values"] == values).all()
    with fs.open(f"{place}/t.csv") as file:
        assert numpy.loadtxt(file, delimiter=",", skiprows=1, usecols=0).sum() == 4950


def test_pillow(place, fs):
    from PIL import Image

    with fs.open(f"{place}/p.png") as file, Image.open(file) as picture:
        assert picture.size == (7, 5)
        with fs.open("scratch@out/p.jpg", "wb") as target:
            picture.save(target, "JPEG")
    with fs.open("scratch@out/p.jpg") as file, Image.open(file) as picture:
        assert picture.format == "JPEG"


def test_json_and_pickle(place, fs):
    with fs.open(f"{place}/o.json", "r") as file:
        read = json.load(file)
    with fs.open(f"{place}/o.pickle") as file:
        assert pickle.load(file) == read == {"a": [1, 2]}
    with fs.open("scratch@out/o.json", "w") as file:
        json.dump(read, file)
    with fs.open("scratch@out/o.pickle", "wb") as file:
        pickle.dump(read, file)
    assert json.loads(fs.cat("scratch@out/o.json")) == read


# --- paths -----------------------------------------------------------------------------------


def test_universal_pathlib(place, out, store):
    from upath import UPath

    from pfslib.interop.upath import PfsPath

    top = UPath(f"pfs://{place}")
    assert type(top) is PfsPath
    assert (top / "t.csv").read_text().startswith("n,name")
    assert [path.name for path in (top / "parts").iterdir()] == [f"{n}.parquet" for n in range(3)]
    assert sorted(path.name for path in top.glob("*/*.csv")) == [f"{n}.csv" for n in range(3)]
    below = top / "parts" / "1.parquet"
    assert (below.suffix, below.parent.name, below.exists()) == (".parquet", "parts", True)
    assert below.stat().st_size > 0
    assert str(below) == f"pfs://{place}/parts/1.parquet"
    assert below.parent.parent == top
    new = UPath(f"{out}/new/f.txt", store=str(store.path))
    new.write_text("text")
    assert new.read_text() == "text"
    new.unlink()
    assert not new.exists()


def test_another_process_reads_by_the_same_path(place, store):
    import multiprocessing

    fs = PfsFileSystem(store)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(fs.cat_file, (f"{place}/t.csv", 0, 6)) == b"n,name"
