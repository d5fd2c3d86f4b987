"""Representations that code interpreters show beyond IPython's: the data of charts and of tables."""

import json
import sys

from IPython.core.formatters import BaseFormatter, catch_format_error
from traitlets import ObjectName, Unicode

from .charts import chart_of


class ChartFormatter(BaseFormatter):
    format_type = Unicode("e2b/chart")
    print_method = ObjectName("_repr_e2b_chart_")
    _return_type = dict

    @catch_format_error
    def __call__(self, shown):
        # matplotlib removes what formatters have registered for its figures when it is set up.
        figures = sys.modules.get("matplotlib.figure")
        if figures is not None and isinstance(shown, figures.Figure):
            return chart_of(shown)
        return super().__call__(shown)


class DataFormatter(BaseFormatter):
    format_type = Unicode("e2b/data")
    print_method = ObjectName("_repr_e2b_data_")
    _return_type = dict


def add_formatters(shell):
    formatters = shell.display_formatter.formatters
    formatters["e2b/chart"] = ChartFormatter(parent=shell.display_formatter)
    data = formatters["e2b/data"] = DataFormatter(parent=shell.display_formatter)
    data.for_type_by_name("pandas.core.frame", "DataFrame", data_of)


def data_of(frame):
    """The columns of a table, as lists of plain values."""
    columns = json.loads(frame.to_json(orient="split", date_format="iso", default_handler=str))
    rows = columns["data"]
    return {str(name): [row[at] for row in rows] for at, name in enumerate(columns["columns"])}
