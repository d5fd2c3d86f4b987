"""MIME bundles of kernels as the `result` lines of the protocol."""

FIELDS = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "application/pdf": "pdf",
    "text/latex": "latex",
    "application/json": "json",
    "application/javascript": "javascript",
    "e2b/data": "data",
    "e2b/chart": "chart",
}


def without_quotes(text):
    """Clients show the text of a string without the quotes of its representation."""
    if isinstance(text, str) and len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def result_line(bundle, is_main_result):
    """The line for a bundle, or None for an empty one. MIME types without a field of their own are in `extra`."""
    line = {"type": "result", "is_main_result": is_main_result}
    extra = {}
    for mime, value in bundle.items():
        if mime in FIELDS:
            line[FIELDS[mime]] = value
        else:
            extra[mime] = value
    if "text" in line:
        line["text"] = without_quotes(line["text"])
    if extra:
        line["extra"] = extra
    return line if len(line) > 2 else None


def error_line(name, value, traceback=""):
    return {"type": "error", "name": name, "value": value, "traceback": traceback}
