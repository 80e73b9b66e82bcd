"""Care of the base: ``vcdb stats``, ``vcdb check`` and ``vcdb compact``."""

from __future__ import annotations

from vcdb.cli.edge import BASE_UNUSABLE, DONE, BaseOption, JsonOption, command, emit, new_app

app = new_app()


@command(app, "stats")
def stats(db: BaseOption = None, json: JsonOption = False) -> int:
    """How much is in the base, and what it costs on disk.

    \b
    Example:
      vcdb stats --json
    """
    from vcdb import render
    from vcdb.database import Database

    with Database(db) as base:
        figures = base.stats()
    emit(render.to_json(figures) if json else render.stats_text(figures))
    return DONE


@command(app, "check")
def check(db: BaseOption = None, json: JsonOption = False) -> int:
    """Read the whole base and report what contradicts itself.

    Exit code 0 where nothing is wrong, 4 where damage was found. Nothing is changed.

    \b
    Example:
      vcdb check
    """
    from vcdb import render
    from vcdb.cli.bar import bar_for
    from vcdb.database import Database

    with Database(db) as base, bar_for("checking") as tell:
        findings = base.check(progress=tell)
    for finding in findings:
        emit(render.to_json(finding) if json else render.finding_text(finding))
    if not findings and not json:
        emit("The base is sound.")
    return BASE_UNUSABLE if findings else DONE


@command(app, "compact")
def compact(db: BaseOption = None, json: JsonOption = False) -> int:
    """Write the base anew, without the space that changes have left free, in order for searches.

    The base can be searched meanwhile. Killing it leaves the base as it was. There must be room
    for a second base on the disk. `vcdb add` does this by itself where much is free.

    \b
    Example:
      vcdb compact
    """
    from vcdb import render
    from vcdb.cli.bar import bar_for
    from vcdb.database import Database

    with Database(db) as base, bar_for("compacting") as tell:
        done = base.compact(progress=tell)
    emit(render.to_json(done) if json else render.compacted_text(done))
    return DONE
