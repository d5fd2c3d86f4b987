"""What a figure of matplotlib shows, as plain data."""

import math

MOST_POINTS = 100_000


def chart_of(figure):
    """The chart of a figure with one pair of axes, of several as a superchart; None for one without data."""
    charts = [chart for chart in map(_chart_or_unknown, figure.axes) if chart is not None]
    if not charts:
        return None
    if len(charts) == 1:
        return charts[0]
    title = figure._suptitle.get_text() if figure._suptitle else ""
    return {"type": "superchart", "title": title, "elements": charts}


def _chart_or_unknown(axes):
    """Anything may have been drawn, by any library: what is not understood must not keep the picture from being shown."""
    try:
        return _chart_of_axes(axes)
    except Exception:
        return {"type": "unknown", "title": axes.get_title(), "elements": []}


def _chart_of_axes(axes):
    for kind, elements_of in (
        ("pie", _pie),
        ("box_and_whisker", _boxes),
        ("bar", _bars),
        ("line", _lines),
        ("scatter", _scatter),
    ):
        elements = elements_of(axes)
        if elements:
            return _described(axes, kind, elements)
    if not axes.has_data():
        return None
    return {"type": "unknown", "title": axes.get_title(), "elements": []}


def _described(axes, kind, elements):
    chart = {"type": kind, "title": axes.get_title(), "elements": elements}
    if kind == "pie":
        return chart
    chart.update(x_label=axes.get_xlabel(), y_label=axes.get_ylabel())
    chart.update(x_unit=_unit(axes.get_xlabel()), y_unit=_unit(axes.get_ylabel()))
    if kind in ("line", "scatter"):
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            scale = chart[f"{name}_scale"] = _scale(axis)
            chart[f"{name}_ticks"] = [_position(value, scale) for value in axis.get_ticklocs()]
            chart[f"{name}_tick_labels"] = [label.get_text() for label in axis.get_ticklabels()]
    return chart


def _unit(label):
    """What stands in parentheses at the end of a label."""
    start = label.rfind("(")
    return label[start + 1 : -1] if start >= 0 and label.endswith(")") else None


def _scale(axis):
    from matplotlib.dates import DateConverter, _SwitchableDateConverter
    from matplotlib.category import StrCategoryConverter

    if isinstance(axis.converter, (DateConverter, _SwitchableDateConverter)):
        return "datetime"
    if isinstance(axis.converter, StrCategoryConverter):
        return "categorical"
    return axis.get_scale()


def _plain(value):
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (int, float, str)) or value is None else str(value)


def _position(value, scale):
    """A place on an axis. Those of dates are numbers inside of matplotlib."""
    from matplotlib.dates import num2date

    value = _plain(value)
    return num2date(value).isoformat() if scale == "datetime" and isinstance(value, (int, float)) else value


def _points(axes, xs, ys):
    x_scale, y_scale = _scale(axes.xaxis), _scale(axes.yaxis)
    return [[_position(x, x_scale), _position(y, y_scale)] for x, y in list(zip(xs, ys))[:MOST_POINTS]]


def _lines(axes):
    return [
        {"label": str(line.get_label()), "points": _points(axes, *_data(line))}
        for line in axes.get_lines()
    ]


def _data(line):
    """Dates as numbers, categories by their names."""
    xs, ys = line.get_xdata(False), line.get_ydata(False)
    named = [axis.units if _scale(axis) == "categorical" else None for axis in (line.axes.xaxis, line.axes.yaxis)]
    return [_named(values, units) for values, units in zip((xs, ys), named)]


def _named(values, units):
    if units is None:
        return values
    names = {position: name for name, position in units._mapping.items()}
    return [names.get(value, value) for value in values]


def _scatter(axes):
    from matplotlib.collections import PathCollection

    found = []
    for group in axes.collections:
        if isinstance(group, PathCollection):
            offsets = group.get_offsets()
            points = _points(axes, offsets[:, 0], offsets[:, 1])
            found.append({"label": str(group.get_label()), "points": points})
    return found


def _bars(axes):
    labels = [label.get_text() for label in axes.get_xticklabels()]
    vertical_labels = [label.get_text() for label in axes.get_yticklabels()]
    found = []
    for container in axes.containers:
        if not hasattr(container, "patches"):
            continue
        is_vertical = container.orientation != "horizontal"
        ticks = [float(tick) for tick in (axes.get_xticks() if is_vertical else axes.get_yticks())]
        names = labels if is_vertical else vertical_labels
        for bar in container.patches:
            center = bar.get_x() + bar.get_width() / 2 if is_vertical else bar.get_y() + bar.get_height() / 2
            value = bar.get_height() if is_vertical else bar.get_width()
            name = _nearest(ticks, names, center, bar.get_width() if is_vertical else bar.get_height())
            found.append({"label": name, "value": _plain(value), "group": str(container.get_label())})
    return found


def _nearest(ticks, names, center, width):
    """The label of the tick below a bar; its position where it has none."""
    close = [(abs(tick - center), name) for tick, name in zip(ticks, names)]
    distance, name = min(close, default=(math.inf, ""))
    return name if name and distance <= abs(width) else str(_plain(center))


def _pie(axes):
    from matplotlib.patches import Wedge

    wedges = [patch for patch in axes.patches if isinstance(patch, Wedge)]
    labels = [text.get_text() for text in axes.texts]
    # With percentages, each second text is one.
    names = labels[:: max(1, len(labels) // len(wedges))] if wedges and labels else []
    return [
        {
            "label": str(wedge.get_label() if not wedge.get_label().startswith("_") else _at(names, at)),
            "angle": _plain(abs(wedge.theta2 - wedge.theta1)),
            "radius": _plain(wedge.r),
        }
        for at, wedge in enumerate(wedges)
    ]


def _at(names, index):
    return names[index] if index < len(names) else ""


def _boxes(axes):
    """Boxes as `boxplot` draws them: a closed box, two whiskers and a median each."""
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 0 or line.get_marker() != "None"]
    boxes = [line for line in lines if len(line.get_xdata()) == 5 and line.get_xdata()[0] == line.get_xdata()[-1]]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    found = []
    for at, box in enumerate(boxes):
        left, right = min(box.get_xdata()), max(box.get_xdata())
        low, high = min(box.get_ydata()), max(box.get_ydata())
        within = [line for line in lines if line is not box and _is_between(line.get_xdata(), left, right)]
        whiskers = [line for line in within if len(set(line.get_xdata())) == 1 and len(line.get_ydata()) == 2]
        medians = [line for line in within if len(set(line.get_ydata())) == 1 and len(line.get_ydata()) == 2]
        # The end of a whisker may lie on the box, too; it is shorter.
        medians = [line for line in medians if low <= line.get_ydata()[0] <= high]
        outliers = [line for line in within if line.get_linestyle() == "None"]
        ends = [value for line in whiskers for value in line.get_ydata()]
        if not medians or not ends:
            return []
        found.append(
            {
                "label": _at(labels, at),
                "min": _plain(min(ends)),
                "first_quartile": _plain(low),
                "median": _plain(max(medians, key=_width).get_ydata()[0]),
                "third_quartile": _plain(high),
                "max": _plain(max(ends)),
                "outliers": [_plain(value) for line in outliers for value in line.get_ydata()],
            }
        )
    return found


def _width(line):
    return max(line.get_xdata()) - min(line.get_xdata())


def _is_between(xs, left, right):
    return len(xs) > 0 and all(left <= x <= right for x in xs)
