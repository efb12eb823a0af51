"""A folder of awkward tables: each with the reading that is right, by hand, or the sentence that refuses it."""

import gzip
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

N = 60
RANDOM = np.random.default_rng(5)
HP = RANDOM.permutation(np.arange(1000, 1000 + 37 * N, 37))  # numbers that thousands marks matter to
COLOUR = RANDOM.choice(["blue", "red"], N)
PRICE = 3 * HP + 500 * (COLOUR == "red")
CLEAN = pd.DataFrame({"hp": HP, "colour": COLOUR, "price": PRICE})
COLOURS = {"colour=blue": COLOUR == "blue", "colour=red": COLOUR == "red"}
FEATURES = {"hp": HP, **COLOURS}
DAYS = pd.date_range("2023-11-20 06:30", periods=N, freq="31h")


@dataclass
class Case:
    """A file, and what it is to give: ``error``, of the column and with the way out, then with ``options``."""

    name: str
    content: object  # text, bytes or a frame
    file: str = "t.csv"
    features: dict = field(default_factory=lambda: FEATURES)
    target: object = field(default_factory=lambda: PRICE)
    error: str | None = None
    way_out: str | None = None  # as an option of the command line says it
    options: dict | None = None  # of the encoder; None: there is no other way than to mend the file
    reading: dict = field(default_factory=dict)  # of the readers
    warning: str | None = None
    write: dict = field(default_factory=dict)  # of to_parquet

    def path(self, folder):
        """Write the file; return its path."""
        path = folder / self.file
        if isinstance(self.content, pd.DataFrame):
            self.content.to_parquet(path, **self.write)
        else:
            data = self.content.encode() if isinstance(self.content, str) else self.content
            path.write_bytes(gzip.compress(data) if self.file.endswith("gz") else data)
        return path


def text(sep=",", **columns):
    """CSV of the clean table with some columns written otherwise, or added in front of it."""
    frame = pd.DataFrame({name: columns[name] for name in columns if name not in CLEAN} | dict(CLEAN.items()))
    return frame.assign(**columns).to_csv(sep=sep, index=False)


def some(values, marker, every=9):
    """Values with a marker in some rows."""
    return [marker if i % every == 4 else value for i, value in enumerate(values)]


def filled(values, every=9, by=np.median):
    """What gaps in these rows become, and where they are."""
    gaps = np.arange(len(values)) % every == 4
    return {"hp": np.where(gaps, by(np.asarray(values)[~gaps]), values), "hp:missing": gaps}


def date_features(name, days, hours=True):
    """The columns of dates, by pandas."""
    hour = days.hour + days.minute / 60 + days.second / 3600
    circles = {
        "month": (days.month - 1) / 12, "day": (days.day - 1) / days.days_in_month, "weekday": days.day_of_week / 7,
    } | ({"hour": hour / 24} if hours else {})  # fmt: skip
    whole = {"year": days.year, "month": days.month, "day": days.day, "weekday": days.day_of_week}
    whole |= {"hour": hour} if hours else {}
    result = {f"{name}:{part}": values for part, values in whole.items()}
    for part, share in circles.items():
        result |= {f"{name}:{part}_sin": np.sin(2 * np.pi * share), f"{name}:{part}_cos": np.cos(2 * np.pi * share)}
    return result


def dated(form, days=DAYS, hours=False, **more):
    """A table with dates as text."""
    kept = days if hours else days.normalize()
    texts = [day.strftime(form) for day in days]
    return {"content": text(when=texts), "features": date_features("when", kept, hours) | FEATURES, **more}


FEW_DAYS = pd.DatetimeIndex([f"2024-{1 + i % 12:02}-{1 + i // 5:02}" for i in range(N)])  # up to the 12th
ALMOST = "column 'hp' has texts of which . ?. of 60 are numbers"
HALF = HP + 0.5
SHUFFLED = CLEAN.set_index(pd.Index(RANDOM.permutation(N) + 7))
GAPS = {**filled(HP), **COLOURS}

CASES = [
    # ---- how a file is written
    Case("plain", text()),
    Case("tabs", text("\t"), "t.tsv"),
    Case("packed", text(), "t.csv.gz"),
    Case("semicolons", text(";")),
    Case("bars", text("|")),
    Case("tabs in csv", text("\t")),
    Case("semicolons and decimal commas", text(";", hp=[f"{v},5" for v in HP]), features={"hp": HALF, **COLOURS}),
    Case("byte order mark", text().encode("utf-8-sig")),
    Case("utf-16", text().encode("utf-16"), error="cannot parse .*", way_out="--encoding utf-16", options={},
         reading={"encoding": "utf-16"}),
    Case("latin-1", text(colour=["grün" if c == "red" else "blue" for c in COLOUR]).encode("latin-1"),
         features={"hp": HP, "colour=blue": COLOUR == "blue", "colour=grün": COLOUR == "red"},
         error="cannot parse .* as utf-8", way_out="--encoding latin-1", options={}, reading={"encoding": "latin-1"}),
    Case("blanks after commas", text().replace(",", ", ")),
    Case("everything quoted", CLEAN.to_csv(index=False, quoting=1)),
    Case("line ends of Windows", text().replace("\n", "\r\n")),
    Case("blank lines", text().replace("\n", "\n\n", 9)),
    Case("commas at the end of rows", text().replace("\n", ",\n").replace(",\n", "\n", 1)),
    Case("commas at the end of all lines", text().replace("\n", ",\n")),
    Case("three commas at the end", text().replace("\n", ",,,\n")),
    Case("a row too long", text() + "1,red,2,3\n", error="more fields|Expected 3 fields", way_out=""),
    Case("a row too short", text() + "1,red\n", error="column 'price' has 1 missing values in 61 rows", way_out=""),
    Case("a name twice", text().replace("colour", "hp", 1),
         error="column 'hp' stands 2 times among the names", way_out="--drop hp"),
    Case("a name twice but for blanks", text(extra=HP).replace("extra", " hp"),
         error="column 'hp' stands 2 times among the names", way_out="--drop hp"),
    Case("values without a name", text().replace("\n", ",5\n").replace(",5\n", ",\n", 1),
         error="column 'Unnamed: 3' has values and no name", way_out="--drop 'Unnamed: 3'",
         options={"drop": ["Unnamed: 3"]}),
    # ---- saved indices, and columns that count the rows
    Case("saved index", CLEAN.to_csv()),
    Case("saved index of other order", SHUFFLED.to_csv()),
    Case("saved index, read and saved", CLEAN.reset_index(names="Unnamed: 0").to_csv(index=False)),
    Case("identity", text(id=np.arange(N) + 100), warning="column 'id' has another value in every row",
         features={"id": np.arange(N) + 100, **FEATURES}),
    Case("identity left out", text(id=np.arange(N)), warning="column 'id' has another", options={"drop": ["id"]},
         error=""),
    Case("shuffled identity", text(id=RANDOM.permutation(N)), warning="column 'id' has another", error="",
         options={"drop": ["id"]}),
    # ---- gaps
    Case("empty column", text(nothing=[""] * N)),
    Case("empty fields", text(hp=some(HP, "")), error="column 'hp' has 7 missing values in 60 rows",
         way_out="--impute median", options={"impute": "median"}, features=GAPS),
    Case("words for a gap", text(hp=some(some(HP, "NA"), "n/a", 18)), error="column 'hp' has 7 missing values",
         way_out="--impute median", options={"impute": "median"}, features=GAPS),
    *(
        Case(f"numbers and {marker}", text(hp=some(HP, marker)), error=ALMOST, way_out=f"--na {shown}",
             options={"na_values": marker, "impute": "median"}, features=GAPS)
        for marker, shown in (("?", "'?'"), ("-", "-"), ("unknown", "unknown"), ("n.a.", "n.a."), ("*", "'*'"))
    ),
    Case("most are question marks", text(hp=[v if i % 9 == 4 else "?" for i, v in enumerate(HP)]),
         error=ALMOST.replace(". ?.", "7"), way_out="--drop hp", options={"drop": ["hp"]}, features=COLOURS),
    Case("None in a category", text(colour=some(COLOUR, "None")), error="column 'colour' has 7 missing values",
         way_out="--impute median", options={"impute": "mean"}, features={
             "hp": HP, **{name: where & (np.arange(N) % 9 != 4) for name, where in COLOURS.items()},
             "colour:missing": np.arange(N) % 9 == 4}),
    Case("infinite", text(hp=some(HP, "inf")), error="column 'hp' has 7 infinite values", way_out=""),
    Case("gap in the target", text(price=some(PRICE, "")), error="column 'price' has 7 missing values", way_out=""),
    # ---- numbers as people write them
    Case("comma between thousands", text(hp=[f"{v:,}" for v in HP]), error="column 'hp' has texts such as '.,...'",
         way_out="--thousands ,", options={"thousands": ","}),
    Case("comma between thousands and a fraction", text(hp=[f"{v:,.1f}" for v in HALF]),
         features={"hp": HALF, **COLOURS}),
    Case("German numbers", text(";", hp=[f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in HALF]),
         features={"hp": HALF, **COLOURS}),
    Case("blank between thousands", text(hp=[f"{v:,}".replace(",", " ") for v in HP])),
    Case("narrow blank between thousands", text(hp=[f"{v:,}".replace(",", "\u202f") for v in HP])),
    Case("Swiss numbers", text(hp=[f"{v:,}".replace(",", "'") for v in HP])),
    Case("per cent", text(hp=[f"{v} %" for v in HP])),
    Case("dollars", text(hp=[f"${v:,.2f}" for v in HP])),
    Case("per cent in some rows", text(hp=[f"{v}%" if i % 3 else v for i, v in enumerate(HP)]),
         error="column 'hp' has texts of which 40 of 60 are numbers", way_out="--drop hp", options={"drop": ["hp"]},
         features=COLOURS),
    Case("decimal commas in the target", text(";", price=[f"{v},5" for v in PRICE]), target=PRICE + 0.5),
    Case("question marks in the target", text(price=some(PRICE, "?")),
         error="column 'price' has texts of which 53 of 60 are numbers", way_out="--na '?'"),
    Case("codes", text(code=[f"{v:03}" for v in HP % 4]), options={"kinds": {"code": "category"}}, error="", features={
        **{f"code={k:03}": k == HP % 4 for k in range(4)}, **FEATURES}),
    # ---- dates and times
    Case("ISO dates", **dated("%Y-%m-%d")),
    Case("ISO times", **dated("%Y-%m-%dT%H:%M:%S", hours=True)),
    Case("ISO times with an offset", **dated("%Y-%m-%d %H:%M:%S+02:00", hours=True)),
    Case("German dates", **dated("%d.%m.%Y")),
    Case("American dates", **dated("%m/%d/%Y")),
    Case("months by name", **dated("%d %b %Y %H:%M", hours=True)),
    Case("day or month", **dated("%m/%d/%Y", FEW_DAYS,
         error="column 'when' has dates such as", way_out="--date-format %m/%d/%Y",
         options={"date_format": "%m/%d/%Y"})),
    Case("dates and a word", text(when=some([f"{day:%Y-%m-%d}" for day in DAYS], "never")),
         error="column 'when' has texts of which 53 of 60 are dates", way_out="--na never", options={"drop": ["when"]}),
    Case("hours and minutes", text(at=[f"{day:%H:%M}" for day in DAYS]), features={
        "at:hour": DAYS.hour + DAYS.minute / 60,
        **{f"at:hour_{name}": function(2 * np.pi * (DAYS.hour + DAYS.minute / 60) / 24)
           for name, function in (("sin", np.sin), ("cos", np.cos))}, **FEATURES}),
    # ---- texts
    Case("true and false", text(new=COLOUR == "red"), features={"new": COLOUR == "red", **FEATURES}),
    Case("yes and no", text(new=np.where(COLOUR == "red", "yes", "no")), error="",
         options={"kinds": {"new": "boolean"}}, features={"new": COLOUR == "red", **FEATURES}),
    Case("rare categories", text(colour=some(COLOUR, "lilac", 40)), options={"other": 3}, error="", features={
        "hp": HP, **{name: where & (np.arange(N) % 40 != 4) for name, where in COLOURS.items()},
        "colour:other": np.arange(N) % 40 == 4}),
    # ---- Parquet
    Case("Parquet", CLEAN, "t.parquet"),
    Case("Parquet with an index", SHUFFLED, "t.parquet"),
    Case("Parquet with a named index", SHUFFLED.rename_axis("key"), "t.parquet"),
    Case("Parquet in row groups", CLEAN, "t.pq", write={"row_group_size": 13}),
    Case("Parquet with categories", CLEAN.astype({"colour": "category"}), "t.parquet"),
    Case("Parquet of numbers as categories", CLEAN.assign(code=pd.Categorical(HP % 3)), "t.parquet", features={
        **FEATURES, **{f"code={k}": k == HP % 3 for k in range(3)}}),
    Case("Parquet of pandas' own types", CLEAN.convert_dtypes(), "t.parquet"),
    Case("Parquet of small types", CLEAN.astype({"hp": "float32", "price": "int32"}), "t.parquet"),
    Case("Parquet of numbers as text", CLEAN.astype({"hp": str}), "t.parquet"),
    Case("Parquet of gaps", CLEAN.assign(hp=pd.array(some(HP.tolist(), None), "Int64")), "t.parquet", features=GAPS,
         error="column 'hp' has 7 missing values", way_out="--impute median", options={"impute": "median"}),
    Case("Parquet of times", CLEAN.assign(when=DAYS.tz_localize("Europe/Berlin")), "t.parquet",
         features=FEATURES | date_features("when", DAYS)),
    Case("Parquet of dates", CLEAN.assign(when=DAYS.date), "t.parquet",
         features=FEATURES | date_features("when", DAYS.normalize(), False)),
    Case("Parquet of durations", CLEAN.assign(wait=pd.to_timedelta(HP, "s")), "t.parquet",
         features={**FEATURES, "wait": HP}),
    Case("Parquet of lists", CLEAN.assign(tags=[[1]] * N), "t.parquet", error="column 'tags', got",
         way_out="--drop tags", options={"drop": ["tags"]}),
]  # fmt: skip
