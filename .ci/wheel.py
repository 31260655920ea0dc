"""Build the wheel, install it in an environment of its own and use it there as a plant engineer would.

``python3 run.py wheel`` calls this.  ``--python PROGRAM`` installs for another Python; ``--with PACKAGE...`` asks for
other versions of packages; ``--tests PATH...`` also runs tests against what was installed, not the source beside them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

COMMANDS = (
    ["--version"],
    ["--help"],
    ["init"],
    ["check"],
    ["demo", "--seconds", "6"],
)
"""What is tried in an empty folder, in this order; each must end with exit code 0."""


def main() -> int:
    """Build, install, try; returns 0 when all went well."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="historian-wheel-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            wheel = build(folder / "dist")
            bin_folder = install(wheel, folder / "venv", options.python, others(options))
            try_commands(bin_folder, folder / "plant")
            if options.tests:
                run_tests(bin_folder, options.tests)
        except subprocess.CalledProcessError as error:
            say(f"failed with {error.returncode}: {' '.join(map(str, error.cmd))}\n{error.output or ''}")
            return 1
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the wheel, install it elsewhere and try it there.")
    parser.add_argument("--python", default=sys.executable, help="Python to install it for (default: this one)")
    parser.add_argument("--with", dest="others", nargs="+", default=[], metavar="PACKAGE", help="versions to use")
    parser.add_argument("--tests", nargs="+", default=[], metavar="PATH", help="tests to run against what is installed")
    return parser.parse_args()


def others(options: argparse.Namespace) -> list[str]:
    """What is installed beside the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [*(project["dependency-groups"]["test"] if options.tests else []), *options.others]


def build(folder: Path) -> Path:
    """Build the wheel with the hatchling that is installed here."""
    quietly([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("*.whl")
    say(f"built {wheel.name}, {wheel.stat().st_size // 1024} KiB")
    return wheel


def install(wheel: Path, venv: Path, python: str, packages: list[str]) -> Path:
    """Install the wheel and ``packages`` in a new environment; returns the folder of its programs."""
    start = time.monotonic()
    quietly([python, "-m", "venv", str(venv)])
    bin_folder = venv / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(bin_folder / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    quietly([*pip, str(wheel), *packages])
    say(f"installed for {python} in {time.monotonic() - start:.0f} s")
    return bin_folder


def try_commands(bin_folder: Path, plant: Path) -> None:
    """Run every command of ``COMMANDS`` in an empty folder, with an empty home."""
    plant.mkdir()
    home = plant.parent / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home)}
    for command in COMMANDS:
        quietly([str(bin_folder / "historian"), *command], cwd=plant, env=environment)
        say(f"historian {' '.join(command)}: done")


def run_tests(bin_folder: Path, tests: list[str]) -> None:
    """Run tests with the installed pytest program, which does not put the source on the path."""
    line = [str(bin_folder / "pytest"), "-q", "-n", "2", "-p", "no:cacheprovider", *tests]
    subprocess.run(line, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


def quietly(line: list[str], **where) -> None:
    """Run a program and show what it said only when it fails (by the exception)."""
    subprocess.run(
        line, check=True, text=True, errors="replace", timeout=900,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **where,
    )  # fmt: skip


def say(text: str) -> None:
    """One line for the person."""
    print(f"wheel: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
