"""The code interpreter of a sandbox: cells, contexts, charts, interrupts."""

import e2b
from checks import check, done, fails

SLOW_S = 120


async def run(sandbox, code, **options):
    return await done(sandbox.run_code(code, **{"timeout": SLOW_S, "request_timeout": SLOW_S, **options}))


@check("cells of four languages run, with the variables of the sandbox and their own", level="interpreter", limit=600)
async def cells(f, sandbox):
    assert (await run(sandbox, "6 * 7")).text == "42"
    code = "import os; os.environ['OF_THE_SANDBOX'] + ' ' + os.environ['OWN']"
    assert (await run(sandbox, code, envs={"OWN": "once"})).text == "seen once"
    out, err, results, errors = [], [], [], []
    callbacks = {"on_stdout": out.append, "on_stderr": err.append, "on_result": results.append, "on_error": errors.append}
    code = "import sys; print('out'); print('err', file=sys.stderr); display(1); 1 / 0"
    execution = await run(sandbox, code, **callbacks)
    assert execution.error.name == errors[0].name == "ZeroDivisionError", execution
    assert (execution.logs.stdout, execution.logs.stderr) == (["out\n"], ["err\n"]), execution.logs
    assert ([one.line for one in out], [one.line for one in err]) == (["out\n"], ["err\n"])
    assert results[0].text == "1", results
    assert (await run(sandbox, "6 * 7", language="javascript")).text == "42"
    assert (await run(sandbox, "const n: number = 6; n * 7", language="typescript")).text == "42"
    printed = (await run(sandbox, "echo $((6 * 7)); echo $OF_THE_SANDBOX", language="bash")).logs.stdout
    assert "".join(printed) == "42\nseen\n", printed


@check("contexts are made, listed, restarted and removed", level="interpreter", limit=300)
async def contexts(f, sandbox):
    made = await done(sandbox.create_code_context(cwd="/tmp", language="python", request_timeout=SLOW_S))
    assert (made.cwd, made.language) == ("/tmp", "python"), made
    assert (await run(sandbox, "import os; n = 1; os.getcwd()", context=made)).text == "/tmp"
    assert made.id in [one.id for one in await done(sandbox.list_code_contexts())]
    await done(sandbox.restart_code_context(made))
    assert (await run(sandbox, "n", context=made)).error.name == "NameError"
    await done(sandbox.remove_code_context(made))
    await fails(e2b.NotFoundException, lambda: run(sandbox, "1", context=made))
    await fails(e2b.InvalidArgumentException, lambda: run(sandbox, "1", context=made, language="python"))


@check("charts and tables are read as data", level="interpreter", limit=300)
async def charts(f, sandbox):
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4])\nplt.title('A title')\nplt.show()"
    (result,) = (await run(sandbox, plot)).results
    assert result.chart.title == "A title" and result.png, result
    (table,) = (await run(sandbox, "import pandas; pandas.DataFrame({'a': [1, 2]})")).results
    assert table.data == {"a": [1, 2]}, table.data


@check("a cell whose time is over is interrupted, and the next one runs", level="interpreter", limit=300)
async def interrupts(f, sandbox):
    endless = "import time\nwhile True: time.sleep(0.1)"
    await fails(e2b.TimeoutException, lambda: run(sandbox, endless, timeout=2))
    assert (await run(sandbox, "print('next')")).logs.stdout == ["next\n"]
