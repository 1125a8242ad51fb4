"""Compiles the contracts anew: `python -m shared.sandbox.chain.contracts`."""

from . import FOLDER, SOURCES, compile_source

if __name__ == "__main__":
    for name in SOURCES:
        (FOLDER / f"{name}.json").write_text(compile_source(name).as_json(), encoding="utf-8")
