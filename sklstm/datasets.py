"""Four real series and a real panel that come with the package, as pandas frames.

Owns the reading of the files in ``sklstm/data`` and the features made of them. The
files' sources, licences and changes are told in ``sklstm/data/README.md``.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal

import numpy as np
import pandas as pd

from sklstm.preprocessing import frame_series

__all__ = [
    "load_bike_rentals",
    "load_online_retail",
    "load_seattle_weather",
    "load_shampoo_sales",
    "load_texas_housing",
]


def load_bike_rentals(*, return_X_y: bool = False) -> Any:
    """Bikes rented in each hour of 2011 in Washington, D.C., with the weather.

    8,760 rows, one for each hour, local time. The demand has a day (commuters' peaks
    at 8 and 17 h), a week (no such peaks at the weekend) and a year.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(X, y)`` for the forecast of the next hour instead of the
        series as it is.

    Returns
    -------
    frame : DataFrame of shape (8760, 10)
        If ``return_X_y`` is False. The index, "time", is the start of the hour. The
        columns: ``rentals`` (bikes rented in that hour), of which ``casual`` by casual
        users and ``registered`` by members; ``temp`` (temperature, 0 is
        -8 °C and 1 is 39 °C), ``atemp`` (as it feels, 0 is -16 °C and 1 is 50 °C),
        ``hum`` (relative humidity, 1 is 100 %), ``windspeed`` (1 is 67, the largest
        of the source); ``weather`` ("clear", "cloudy/misty", "light rain/snow" or
        "heavy rain/snow"); ``holiday`` and ``workingday`` (0 or 1).
    (X, y) : DataFrame of shape (8759, 14) and Series of shape (8759,)
        If ``return_X_y`` is True. Row i of X is what is known in hour i, and y[i] the
        rentals of the hour after it, under the same index entry: the rentals and the
        weather of hour i (``misty`` and ``wet``, 0 or 1, for its situation), and the
        calendar of the hour to be forecast (``next_holiday``, ``next_workingday``,
        its place in the day, in the half day and in the week as sine and cosine).

    Notes
    -----
    Hours without any rental are not in the source. There are 115 of them, mostly deep
    in the night, the longest run 22 hours of snowstorm from 26 January, 18 h. Here
    they are rows with 0 rentals and the weather of the hour before them, and they are
    the only rows with 0 rentals. One, 13 March, 2 h, was skipped by the clock.

    Source and licence: Hadi Fanaee-T and Joao Gama, "Bike Sharing", UCI Machine
    Learning Repository [1]_, licensed under CC BY 4.0, changed as told in
    ``sklstm/data/README.md``. Introduced in [2]_.

    References
    ----------
    .. [1] https://doi.org/10.24432/C5W894
    .. [2] H. Fanaee-T and J. Gama, "Event labeling combining ensemble detectors and
       background knowledge", Progress in Artificial Intelligence 2 (2014), 113-127.

    Examples
    --------
    >>> from sklstm.datasets import load_bike_rentals
    >>> frame = load_bike_rentals()
    >>> frame.shape
    (8760, 10)
    >>> int(frame.loc["2011-06-01 08:00", "rentals"])
    454
    >>> X, y = load_bike_rentals(return_X_y=True)
    >>> int(X.loc["2011-06-01 07:00", "rentals"]), int(y["2011-06-01 07:00"])
    (284, 454)
    """
    frame = _read_series("bike_rentals.csv.gz", freq="h")
    if not return_X_y:
        return frame
    return frame_series(_describe_hours(frame), target="rentals")


def load_online_retail(*, return_X_y: bool = False) -> Any:
    """Orders and revenue of an online retailer on each day of two years.

    739 days, from 1 December 2009 to 9 December 2011, of a shop for gifts in the
    United Kingdom, many of whose customers are wholesalers. The week is strong (most
    orders on Thursdays, none on Saturdays but one), the year too (orders double before
    Christmas, and the shop closes after it).

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(X, y)`` for the forecast of the next day's orders instead of
        the series as it is.

    Returns
    -------
    frame : DataFrame of shape (739, 3)
        If ``return_X_y`` is False. The index is the "date". The columns: ``orders``
        (invoices of that day), ``revenue`` (their sum in pounds sterling),
        ``bank_holiday`` (0 or 1, of England and Wales; the shop sold on none of them).
    (X, y) : DataFrame of shape (738, 5) and Series of shape (738,)
        If ``return_X_y`` is True. Row i of X is what is known on day i, and y[i] the
        orders of the day after it, under the same index entry: orders and revenue of
        day i, and the calendar of the day to be forecast (``next_day_off``, 1 for a
        Saturday or bank holiday, and its place in the week as sine and cosine).

    Notes
    -----
    The source lists invoice lines. Counted are lines with a customer number, a quantity
    and a price above zero, repeated lines once: 779,425 lines of 36,969 orders worth
    17,374,804.27 pounds on 604 days. Orders that were cancelled later count on the day
    they were made; two of them stand out in the revenue, 18 January 2011 and the last
    day, which the source leaves at 12:50. Days without an order are rows with 0.

    Source and licence: Daqing Chen, "Online Retail II", UCI Machine Learning Repository
    [1]_, licensed under CC BY 4.0, changed as told in ``sklstm/data/README.md``.
    Introduced in [2]_.

    References
    ----------
    .. [1] https://doi.org/10.24432/C5CG6D
    .. [2] D. Chen, S. L. Sain and K. Guo, "Data mining for the online retail industry:
       A case study of RFM model-based customer segmentation using data mining",
       Journal of Database Marketing and Customer Strategy Management 19 (2012),
       197-208.

    Examples
    --------
    >>> from sklstm.datasets import load_online_retail
    >>> frame = load_online_retail()
    >>> int(frame.loc["2011-11-17", "orders"])
    136
    >>> X, y = load_online_retail(return_X_y=True)
    >>> int(X.loc["2011-11-17", "orders"]), int(y["2011-11-17"])
    (136, 103)
    """
    frame = _read_series("online_retail.csv", freq="D")
    if not return_X_y:
        return frame
    return frame_series(_describe_trading_days(frame), target="orders")


def load_seattle_weather(*, return_X_y: bool = False) -> Any:
    """Weather of each day in Seattle from 2012 to 2015, with a class in words.

    1,461 days, measured at Seattle-Tacoma airport. The class depends on the day before
    it and on the season, but not much: hard to foretell, and very uneven (26 days of
    snow).

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(X, y)`` for the forecast of the next day's class instead of
        the series as it is.

    Returns
    -------
    frame : DataFrame of shape (1461, 5)
        If ``return_X_y`` is False. The index is the "date". The columns:
        ``precipitation`` (mm), ``temp_max`` and ``temp_min`` (°C), ``wind`` (mean
        speed, m/s), ``weather`` ("drizzle", "fog", "rain", "snow" or "sun").
    (X, y) : DataFrame of shape (1460, 11) and Series of shape (1460,)
        If ``return_X_y`` is True. Row i of X is what is known on day i, and y[i] the
        class of the day after it, under the same index entry: the four measures, the
        class of day i as five columns of 0 and 1, and the season as sine and cosine.

    Notes
    -----
    Source and licence: daily summaries of NOAA's National Centers for Environmental
    Information, station GHCND:USW00024233, a work of the U.S. government in the public
    domain; taken unchanged from vega-datasets [1]_, which made the class out of the
    weather types, precipitation and snowfall. Copies made before 2020 have another,
    wrong class on 391 days; see ``sklstm/data/README.md``.

    References
    ----------
    .. [1] https://github.com/vega/vega-datasets

    Examples
    --------
    >>> from sklstm.datasets import load_seattle_weather
    >>> frame = load_seattle_weather()
    >>> frame["weather"].value_counts().sort_index().to_dict()
    {'drizzle': 53, 'fog': 101, 'rain': 641, 'snow': 26, 'sun': 640}
    >>> X, y = load_seattle_weather(return_X_y=True)
    >>> X.shape, y["2012-01-13"]    # the class of 14 January
    ((1460, 11), 'snow')
    """
    frame = _read_series("seattle_weather.csv", freq="D")
    if not return_X_y:
        return frame
    known, target = frame_series(frame, target="weather")
    return _describe_days(known), target


def load_shampoo_sales(*, return_X_y: bool = False) -> Any:
    """Sales of a shampoo in each month of three years.

    36 values, the shortest series here: a trend that steepens, and swings from month to
    month. Much used where forecasting is taught.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(X, y)`` for the forecast of the next month instead of the
        series as it is.

    Returns
    -------
    frame : DataFrame of shape (36, 1)
        If ``return_X_y`` is False. The index, "month", is the first day of the month;
        which years they were is not known, and 2001 to 2003 stand for the first to the
        third. The column: ``sales``, in a unit that the source does not tell.
    (X, y) : DataFrame of shape (35, 1) and Series of shape (35,)
        If ``return_X_y`` is True. Row i of X is the sales of month i, and y[i] those of
        the month after it, under the same index entry.

    Notes
    -----
    Source: [1]_, chapter 3; the values are those of the R package fma [2]_, by one of
    its authors. They are 36 published figures, with no licence of their own.

    References
    ----------
    .. [1] S. Makridakis, S. C. Wheelwright and R. J. Hyndman, "Forecasting: Methods and
       Applications", 3rd edition, Wiley, 1998.
    .. [2] https://github.com/robjhyndman/fma

    Examples
    --------
    >>> from sklstm.datasets import load_shampoo_sales
    >>> frame = load_shampoo_sales()
    >>> frame["sales"].head(3).tolist()
    [266.0, 145.9, 183.1]
    >>> X, y = load_shampoo_sales(return_X_y=True)
    >>> X.shape, y.head(2).tolist()
    ((35, 1), [145.9, 183.1])
    """
    frame = _read_series("shampoo_sales.csv", freq="MS")
    return frame_series(frame, target="sales") if return_X_y else frame


def load_texas_housing(*, return_X_y: bool = False) -> Any:
    """Houses sold in each month in 38 cities and counties of Texas: a panel.

    7,079 rows, from January 2000 to July 2015. All series share the year (twice as many
    sales in June as in January) and the years (growth to 2006, a fall to 2010, growth
    again), but not the level: 32 sales a month in Nacogdoches, 5,583 in Houston.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(X, y)`` for the forecast of each city's next month instead of
        the panel as it is.

    Returns
    -------
    frame : DataFrame of shape (7079, 3)
        If ``return_X_y`` is False. The index has two levels, "city" and "month" (the
        first day of it), and is sorted by both. The columns: ``sales`` (houses sold in
        that month), ``volume`` (the sum of their prices in dollars), ``reported``
        (1, or 0 for the 48 months that the source does not have, see the Notes).
    (X, y) : DataFrame of shape (7041, 5) and Series of shape (7041,)
        If ``return_X_y`` is True. A row of X is what is known of a city in a month, and
        the entry of y under the same index entry the sales of this city in the month
        after it: sales, volume and ``reported`` of that month, and the place in the
        year of the month to be forecast as sine and cosine (``next_month_sin``,
        ``next_month_cos``). The last month of each city is not in X.

    Notes
    -----
    Kept are the cities with sales in at least 90 % of the 187 months: 38 of the 46 of
    the source. Within a city no month is missing, but not all cities have all months:
    a city begins with the first month that it reported (Brownsville in February 2000,
    Nacogdoches in November 2000, Texarkana in January 2001, the others in January 2000)
    and ends with the last one (Brazoria County, Brownsville, Corpus Christi and
    Killeen-Fort Hood in June 2015, the others in July 2015). The 48 months between that
    a city did not report repeat the sales and the volume of the month before; 13 of
    Brazoria County, 12 of Longview-Marshall and 11 of Temple-Belton are the most, and
    all but two lie before 2004. The example shows how to give them no weight.

    Source and licence: the Real Estate Center at Texas A&M University [1]_, as the data
    set ``txhousing`` of ggplot2 [2]_ and plotnine, both under the MIT licence; changed
    as told in ``sklstm/data/README.md``. Median price, listings and inventory were left
    out, which the source lacks in many more months.

    References
    ----------
    .. [1] https://trerc.tamu.edu
    .. [2] H. Wickham, "ggplot2: Elegant Graphics for Data Analysis", Springer, 2016,
       https://ggplot2.tidyverse.org/reference/txhousing.html

    Examples
    --------
    >>> from sklstm.datasets import load_texas_housing
    >>> frame = load_texas_housing()
    >>> frame.shape, len(frame.index.unique("city"))
    ((7079, 3), 38)
    >>> int(frame.loc[("Houston", "2006-06-01"), "sales"])
    8628
    >>> X, y = load_texas_housing(return_X_y=True)
    >>> month = ("Houston", "2006-05-01")
    >>> int(X.loc[month, "sales"]), int(y[month])
    (8040, 8628)

    Targets that no city reported get the weight 0:

    >>> from sklstm.preprocessing import frame_series
    >>> _, sample_weight = frame_series(frame, target="reported")
    >>> sample_weight.index.equals(y.index), int((sample_weight == 0).sum())
    (True, 48)
    """
    frame = _read_panel("texas_housing.csv.gz")
    if not return_X_y:
        return frame
    return frame_series(_describe_months(frame), target="sales")


def _read_series(name: str, freq: str) -> pd.DataFrame:
    """A file of ``sklstm/data`` as a frame with a regular DatetimeIndex."""
    return _read_indexed(name, index_columns=[0]).asfreq(freq)


def _read_panel(name: str) -> pd.DataFrame:
    """A file of ``sklstm/data`` as a frame with a MultiIndex (series, time)."""
    return _read_indexed(name, index_columns=[0, 1])


def _read_indexed(name: str, index_columns: list[int]) -> pd.DataFrame:
    """A file of ``sklstm/data``, whose last index column holds dates."""
    compression: Literal["gzip"] | None = "gzip" if name.endswith(".gz") else None
    with (files("sklstm") / "data" / name).open("rb") as file:
        frame = pd.read_csv(
            file, compression=compression, parse_dates=index_columns[-1:]
        )
    return frame.set_index([frame.columns[column] for column in index_columns])


def _describe_hours(frame: pd.DataFrame) -> pd.DataFrame:
    """What is known of the next hour's rentals in each hour."""
    known = frame[["rentals", "temp", "hum", "windspeed"]].copy()
    known["misty"] = (frame["weather"] == "cloudy/misty").astype(int)
    known["wet"] = frame["weather"].str.contains("rain").astype(int)
    # The last row has no next hour: frame_series leaves it out.
    for column in ["holiday", "workingday"]:
        known[f"next_{column}"] = frame[column].shift(-1, fill_value=0)
    following = pd.DatetimeIndex(frame.index) + pd.Timedelta(hours=1)
    _add_cycle(known, "next_hour", following.hour, period=24)
    _add_cycle(known, "next_half_day", following.hour, period=12)
    _add_cycle(known, "next_weekday", following.day_of_week, period=7)
    return known


def _describe_trading_days(frame: pd.DataFrame) -> pd.DataFrame:
    """What is known of the next day's orders on each day."""
    known = frame[["orders", "revenue"]].copy()
    following = pd.DatetimeIndex(frame.index) + pd.Timedelta(days=1)
    # The last row has no next day: frame_series leaves it out.
    is_holiday = frame["bank_holiday"].shift(-1, fill_value=0) == 1
    is_saturday = following.day_of_week == 5
    known["next_day_off"] = (is_holiday | is_saturday).astype(int)
    _add_cycle(known, "next_weekday", following.day_of_week, period=7)
    return known


def _describe_days(frame: pd.DataFrame) -> pd.DataFrame:
    """What is known of the next day's weather on each day."""
    known = frame.drop(columns="weather")
    for name in sorted(frame["weather"].unique()):
        known[f"is_{name}"] = (frame["weather"] == name).astype(int)
    day = pd.DatetimeIndex(frame.index).day_of_year
    _add_cycle(known, "season", day, period=365.25)
    return known


def _describe_months(frame: pd.DataFrame) -> pd.DataFrame:
    """What is known of the next month's sales in each month of each city."""
    known = frame.copy()
    month = pd.DatetimeIndex(frame.index.get_level_values("month")).month
    _add_cycle(known, "next_month", month + 1, period=12)
    return known


def _add_cycle(frame: pd.DataFrame, name: str, place: Any, period: float) -> None:
    """Add the place in a cycle as a point on a circle: two columns, sine and cosine."""
    angle = 2 * np.pi * np.asarray(place) / period
    frame[f"{name}_sin"] = np.sin(angle)
    frame[f"{name}_cos"] = np.cos(angle)
